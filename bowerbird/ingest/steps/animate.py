"""A moving WebP of a moving original."""

from __future__ import annotations

import pyvips

from bowerbird.darkroom.picture import open_frames
from bowerbird.ingest.plate import Plate

WIDTH = 474
QUALITY = 70
EFFORT = 2

MOST = 60_000_000
"""Pixels encoded at most, over all frames; about ten seconds of one core. What is longer ends early."""


def animate(plate: Plate) -> None:
    if plate.facts.pages < 2:
        return
    scale = min(1.0, WIDTH / plate.facts.width)
    width, height = max(1, round(plate.facts.width * scale)), max(1, round(plate.facts.height * scale))
    frames = max(1, min(plate.facts.pages, MOST // (width * height)))
    film = open_frames(plate.data, plate.format, frames)
    if scale < 1:
        film = _resized(film.copy_memory(), width, height)
    plate.files["animated"] = film.webpsave_buffer(Q=QUALITY, effort=EFFORT, keep="none")


def _resized(film: pyvips.Image, width: int, height: int) -> pyvips.Image:
    """Frame by frame, so that none bleeds into the next one."""
    frames = [frame.thumbnail_image(width, height=height, size="force") for frame in film.pagesplit()]
    joined = pyvips.Image.arrayjoin(frames, across=1).copy()
    for name in ("delay", "loop"):
        if film.get_typeof(name):
            joined.set_type(film.get_typeof(name), name, film.get(name))
    joined.set_type(pyvips.GValue.gint_type, "page-height", height)
    return joined
