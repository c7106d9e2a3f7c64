from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bowerbird.darkroom import thumbhash
from tests.darkroom.pictures import noisy


def by_the_letter(w: int, h: int, rgba: list[int]) -> bytes:
    """The author's reference, loop by loop, as a check on ours."""
    from math import cos, floor, pi

    def rnd(x: float) -> int:
        return floor(x + 0.5)

    avg_r = avg_g = avg_b = avg_a = 0.0
    for i in range(w * h):
        alpha = rgba[4 * i + 3] / 255
        avg_r += alpha / 255 * rgba[4 * i]
        avg_g += alpha / 255 * rgba[4 * i + 1]
        avg_b += alpha / 255 * rgba[4 * i + 2]
        avg_a += alpha
    if avg_a:
        avg_r, avg_g, avg_b = avg_r / avg_a, avg_g / avg_a, avg_b / avg_a
    has_alpha = avg_a < w * h
    limit = 5 if has_alpha else 7
    lx, ly = max(1, rnd(limit * w / max(w, h))), max(1, rnd(limit * h / max(w, h)))
    ls, ps, qs, als = [], [], [], []
    for i in range(w * h):
        alpha = rgba[4 * i + 3] / 255
        r = avg_r * (1 - alpha) + alpha / 255 * rgba[4 * i]
        g = avg_g * (1 - alpha) + alpha / 255 * rgba[4 * i + 1]
        b = avg_b * (1 - alpha) + alpha / 255 * rgba[4 * i + 2]
        ls.append((r + g + b) / 3)
        ps.append((r + g) / 2 - b)
        qs.append(r - g)
        als.append(alpha)

    def encode(channel: list[float], nx: int, ny: int) -> tuple[float, list[float], float]:
        dc, ac, scale = 0.0, [], 0.0
        for cy in range(ny):
            cx = 0
            while cx * ny < nx * (ny - cy):
                f = 0.0
                for y in range(h):
                    fy = cos(pi / h * cy * (y + 0.5))
                    for x in range(w):
                        f += channel[x + y * w] * cos(pi / w * cx * (x + 0.5)) * fy
                f /= w * h
                if cx or cy:
                    ac.append(f)
                    scale = max(scale, abs(f))
                else:
                    dc = f
                cx += 1
        return dc, [0.5 + 0.5 / scale * v for v in ac] if scale else ac, scale

    l_dc, l_ac, l_scale = encode(ls, max(3, lx), max(3, ly))
    p_dc, p_ac, p_scale = encode(ps, 3, 3)
    q_dc, q_ac, q_scale = encode(qs, 3, 3)
    landscape = w > h
    head = rnd(63 * l_dc) | rnd(31.5 + 31.5 * p_dc) << 6 | rnd(31.5 + 31.5 * q_dc) << 12 | rnd(31 * l_scale) << 18
    head |= has_alpha << 23
    tail = (ly if landscape else lx) | rnd(63 * p_scale) << 3 | rnd(63 * q_scale) << 9 | landscape << 15
    out = [head & 255, head >> 8 & 255, head >> 16, tail & 255, tail >> 8]
    acs = [l_ac, p_ac, q_ac]
    if has_alpha:
        a_dc, a_ac, a_scale = encode(als, 5, 5)
        out.append(rnd(15 * a_dc) | rnd(15 * a_scale) << 4)
        acs.append(a_ac)
    start, index = len(out), 0
    for ac in acs:
        for f in ac:
            if start + (index >> 1) == len(out):
                out.append(0)
            out[start + (index >> 1)] |= rnd(15 * f) << ((index & 1) << 2)
            index += 1
    return bytes(out)


@given(st.integers(1, 14), st.integers(1, 14), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_same_bytes_as_the_reference(width: int, height: int, seed: int, clear: bool) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    if not clear:
        pixels[..., 3] = 255
    ours, theirs = thumbhash.encode(pixels), by_the_letter(width, height, pixels.ravel().tolist())
    assert len(ours) == len(theirs)
    # Sums in another order may round one nibble the other way.
    nibbles = [(n & 15, n >> 4) for n in ours], [(n & 15, n >> 4) for n in theirs]
    assert np.abs(np.array(nibbles[0]) - np.array(nibbles[1])).max() <= 1 or ours == theirs
    assert sum(a != b for a, b in zip(ours, theirs, strict=True)) <= 1


@pytest.mark.parametrize("size", [(32, 20), (20, 32), (32, 32), (32, 4)])
def test_it_looks_like_the_picture(size: tuple[int, int]) -> None:
    pixels = np.asarray(noisy(*size, seed=4))
    decoded = thumbhash.decode(thumbhash.encode(pixels))
    assert max(decoded.shape[:2]) == 32
    assert (decoded.shape[1] > decoded.shape[0]) == (size[0] > size[1])
    wanted = np.asarray(Image.fromarray(pixels).resize(decoded.shape[1::-1]), float)
    assert np.abs(wanted - decoded[..., :3]).mean() < 30
    assert decoded[..., 3].min() == 255


def test_a_squeezed_picture_keeps_its_shape() -> None:
    picture = noisy(96, 48, seed=9)
    squeezed = thumbhash.encode(np.asarray(picture.resize((64, 64))), (960, 480))
    plain = thumbhash.decode(thumbhash.encode(np.asarray(picture)))
    decoded = thumbhash.decode(squeezed)
    assert decoded.shape == plain.shape
    assert np.abs(decoded.astype(int) - plain).mean() < 4


def test_transparency_is_kept() -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:16] = (255, 0, 0, 255)
    decoded = thumbhash.decode(thumbhash.encode(pixels))
    assert decoded[4, 16, 3] > 200
    assert decoded[28, 16, 3] < 60


def test_too_large_is_an_error() -> None:
    with pytest.raises(ValueError, match="at most 100"):
        thumbhash.encode(np.zeros((101, 5, 3), np.uint8))
