from __future__ import annotations

import io

import numpy as np
from PIL import Image

from bowerbird.catalog.kin import distance
from bowerbird.darkroom.fingerprint import SIDE, phash, phashes
from tests.darkroom.pictures import jpeg, noisy


def shrunk(image: Image.Image) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX))


def test_it_survives_resizing_and_recompressing_and_tells_pictures_apart() -> None:
    hashes = []
    for seed in range(30):
        image = noisy(320, 240, seed)
        squeezed = Image.open(io.BytesIO(jpeg(image.resize((200, 150)), quality=40)))
        assert distance(phash(shrunk(image)), phash(shrunk(squeezed))) <= 4
        hashes.append(phash(shrunk(image)))
    far = [distance(a, b) for at, a in enumerate(hashes) for b in hashes[:at]]
    assert min(far) > 10
    assert 28 < np.mean(far) < 36


def test_the_mirror_image_is_known() -> None:
    image = noisy(320, 240, 3)
    flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    plain, mirrored = phashes(shrunk(image))
    assert len(plain) == 16
    assert distance(phash(shrunk(flipped)), mirrored) <= 2
    assert distance(plain, mirrored) > 10
