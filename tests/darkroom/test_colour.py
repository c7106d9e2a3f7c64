from __future__ import annotations

import numpy as np
import pytest

from bowerbird.darkroom import colour
from bowerbird.model import Swatch


def test_oklab_matches_published_values() -> None:
    # Ottosson's article, and CSS Color 4's examples.
    lab = colour.oklab(np.array([[255, 255, 255], [255, 0, 0], [0, 0, 255], [0, 0, 0]], np.uint8))
    wanted = [[1, 0, 0], [0.6280, 0.2249, 0.1258], [0.4520, -0.0325, -0.3115], [0, 0, 0]]
    np.testing.assert_allclose(lab, wanted, atol=5e-4)


def test_rgb_undoes_oklab() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (500, 3), dtype=np.uint8)
    assert np.abs(colour.rgb(colour.oklab(pixels)).astype(int) - pixels).max() <= 1


def test_dominant_colours_and_their_shares() -> None:
    pixels = np.empty((100, 100, 3), np.uint8)
    pixels[:60], pixels[60:90], pixels[90:] = (200, 30, 30), (20, 60, 180), (250, 240, 220)
    assert [(s.hex, s.share) for s in colour.dominant(pixels)] == [
        ("#c81e1e", 0.6),
        ("#143cb4", 0.3),
        ("#faf0dc", 0.1),
    ]


def test_shades_of_one_colour_are_one() -> None:
    rng = np.random.default_rng(2)
    pixels = np.clip(np.array([90, 140, 90]) + rng.integers(-6, 7, (64, 64, 3)), 0, 255).astype(np.uint8)
    (only,) = colour.dominant(pixels)
    assert only.share == 1.0
    assert abs(int(only.hex[3:5], 16) - 140) < 4


def test_dominant_is_deterministic_and_ignores_what_is_transparent() -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (64, 64, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    again = colour.dominant(pixels.copy())
    assert colour.dominant(pixels) == again
    assert sum(s.share for s in again) == pytest.approx(1, abs=0.05)
    pixels[:32] = (255, 0, 0, 0)
    assert all(s.hex != "#ff0000" for s in colour.dominant(pixels))
    assert colour.dominant(np.zeros((8, 8, 4), np.uint8)) == ()
    assert colour.dominant(np.full((8, 8, 4), 90, np.uint8))[0].hex == "#5a5a5a"


def test_histograms_order_pictures_as_eyes_do() -> None:
    red = colour.histogram([Swatch("#ff0000", 1.0)])
    assert red.shape == (colour.DIM,)
    assert red.dtype == np.float32
    assert np.linalg.norm(red) == pytest.approx(1)
    likeness = [
        float(red @ colour.histogram(palette))
        for palette in (
            [Swatch("#f41010", 1.0)],
            [Swatch("#ff0000", 0.5), Swatch("#ffffff", 0.5)],
            [Swatch("#ff0000", 0.1), Swatch("#ffffff", 0.9)],
            [Swatch("#0000ff", 1.0)],
        )
    ]
    assert likeness == sorted(likeness, reverse=True)
    assert likeness[0] > 0.95
    assert likeness[-1] < 0.01


def test_every_colour_has_a_histogram() -> None:
    levels = [0, 51, 102, 153, 204, 255]
    for r in levels:
        for g in levels:
            for b in levels:
                vector = colour.histogram([Swatch(f"#{r:02x}{g:02x}{b:02x}", 1.0)])
                assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert not colour.histogram([]).any()
