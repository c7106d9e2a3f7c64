"""The gallery: enough of it, the same every time, and pictures rather than blank sheets."""

import hashlib

import numpy as np
import pytest
import pyvips

from bowerbird.demo import palettes
from bowerbird.demo.paint import STYLES, Painting, gallery, paint
from bowerbird.demo.sheet import Sheet, bands, spline

ONE_EACH = [next(p for p in gallery() if p.style == style) for style in STYLES]


def pixels(data: bytes) -> np.ndarray:
    return pyvips.Image.new_from_buffer(data, "").numpy()


def test_enough_pictures_styles_and_palettes():
    assert len(gallery()) >= 480
    assert len(STYLES) >= 14
    for style in STYLES:
        assert len({p.palette.name for p in gallery() if p.style == style}) >= 10
    assert len({painting.name for painting in gallery()}) == len(gallery())


def test_shapes_are_varied_and_mostly_upright():
    upright = sum(painting.height > painting.width for painting in gallery())
    assert 0.6 < upright / len(gallery()) < 0.95
    assert len({round(p.height / p.width, 2) for p in gallery()}) >= 6
    assert all(736 <= painting.width <= 1000 for painting in gallery())


def test_words():
    titles = [painting.title for painting in gallery()]
    assert len(set(titles)) == len(titles)
    for painting in gallery():
        words = (painting.title, painting.description, painting.alt)
        assert all(words)
        assert not any(mark in text for text in words for mark in "{}")
        assert len(painting.title) <= 60
        assert painting.palette.named[0][0] in painting.alt
        assert painting.title[0].isupper() or not painting.title[0].isalpha()


def test_neighbours_on_the_wall_differ():
    for one, other in zip(gallery(), gallery()[1:], strict=False):
        assert one.style != other.style
    same = sum(a.palette.family == b.palette.family for a, b in zip(gallery(), gallery()[1:], strict=False))
    assert same < 0.05 * len(gallery())


@pytest.mark.parametrize("painting", ONE_EACH, ids=lambda p: p.style)
def test_paints_the_same_picture_again_and_not_a_blank_one(painting: Painting):
    data = paint(painting, width=120)
    assert hashlib.sha256(data).digest() == hashlib.sha256(paint(painting, width=120)).digest()
    seen = pixels(data)
    assert seen.shape == (round(120 * painting.height / painting.width), 120, 3)
    assert seen.std() > 12
    assert len(np.unique(seen.reshape(-1, 3) // 32, axis=0)) >= 5


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.slow
def test_every_palette_gives_another_picture(style: str):
    smalls = [pixels(paint(p, width=48)) for p in gallery() if p.style == style][::6]
    means = np.array([small.reshape(-1, 3).mean(axis=0) for small in smalls])
    gaps = np.abs(means[:, None] - means[None]).sum(axis=2)[np.triu_indices(len(means), 1)]
    assert np.median(gaps) > 15


def test_composition_does_not_depend_on_the_size():
    painting = next(p for p in ONE_EACH if p.style == "poster")
    small, large = (pixels(paint(painting, width=width)).astype(float) for width in (100, 400))
    rows = len(large) // 4
    shrunk = large[: rows * 4].reshape(rows, 4, 100, 4, 3).mean(axis=(1, 3))
    assert np.corrcoef(small[:rows].ravel(), shrunk.ravel())[0, 1] > 0.95


def test_oklab_there_and_back():
    colours = np.random.default_rng(1).random((200, 3)).astype(np.float32)
    assert np.allclose(palettes.rgb(palettes.oklab(colours)), colours, atol=2e-3)
    assert np.allclose(palettes.oklab(np.ones(3, np.float32)), [1, 0, 0], atol=1e-3)


def test_colours_of_a_palette_can_be_told_apart_and_ink_be_read():
    for palette in palettes.PALETTES:
        ground, ink = palettes.oklab(palette.ground), palettes.oklab(palette.ink)
        assert abs(ground[0] - ink[0]) > 0.5
        points = np.stack([palettes.oklab(colour) for colour in palette.colours])
        gaps = np.linalg.norm(points[:, None] - points[None], axis=2)[np.triu_indices(5, 1)]
        assert gaps.min() > 0.05, palette.name


def test_spline_weights_add_up():
    assert np.allclose(spline(97, 7).sum(axis=1), 1, atol=1e-5)


def test_bands_average_what_a_pixel_covers():
    table = np.repeat(np.array([[0.0, 0, 0], [1, 1, 1]]), 512, axis=0)
    field = np.tile(np.linspace(0, 0.999, 9), (9, 1))
    red = bands(field, table)[0]
    assert red[4, 0] == 0 and red[4, 8] == 1
    assert 0.3 < red[4, 4] < 0.7


def test_lay_and_disc_cover_what_they_should():
    sheet = Sheet(200, 100, np.zeros(3, np.float32))
    sheet.disc(0.5, 0.25, 0.1, np.ones(3, np.float32))
    assert sheet.rgb[0].sum() == pytest.approx(np.pi * 20**2, rel=0.01)
    sheet.disc(3, 3, 0.1, np.ones(3, np.float32))  # off the sheet


def test_strokes_run_along_their_path_and_off_the_edge():
    sheet = Sheet(100, 100, np.zeros(3, np.float32))
    across = (np.array([-0.5, 1.5]), np.array([0.5, 0.5]))
    sheet.strokes([across], [0.05], [np.ones(3, np.float32)])
    assert sheet.rgb[0, 50].min() == 1
    assert sheet.rgb[0, 20].max() == 0
    assert sheet.rgb[0, :, 0].sum() == pytest.approx(10, abs=1)
