"""The colours to search by, each as something a bowerbird brings home, and the tone of a person's sign."""

from __future__ import annotations

import zlib

FORMS = ("berry", "petal", "leaf", "shell", "pebble")

COLOURS = (
    ("#c2312d", "Red", "berry"),
    ("#e2703a", "Orange", "petal"),
    ("#d9a441", "Amber", "leaf"),
    ("#ecd75f", "Yellow", "pebble"),
    ("#98b04a", "Lime", "leaf"),
    ("#3f7d4e", "Green", "leaf"),
    ("#4f9c92", "Teal", "shell"),
    ("#6fb9d8", "Sky blue", "petal"),
    ("#2f45c5", "Satin blue", "berry"),
    ("#6a55a8", "Violet", "petal"),
    ("#a0568f", "Plum", "berry"),
    ("#e6a3b8", "Pink", "shell"),
    ("#7a4a31", "Brown", "pebble"),
    ("#cdb491", "Sand", "shell"),
    ("#f4f1ea", "White", "pebble"),
    ("#8d9199", "Grey", "pebble"),
    ("#17191f", "Black", "berry"),
)
"""(hex, name, form), around the wheel."""

SCATTER = (
    ("#2f45c5", "berry", 120, 110, 92),
    ("#d9a441", "leaf", 905, 80, 130),
    ("#4f9c92", "shell", 1010, 430, 104),
    ("#c2312d", "berry", 205, 520, 48),
    ("#e6a3b8", "petal", 60, 330, 84),
    ("#3f7d4e", "leaf", 250, 250, 64),
    ("#6a55a8", "petal", 855, 590, 74),
    ("#cdb491", "pebble", 330, 620, 90),
    ("#6fb9d8", "petal", 820, 300, 50),
    ("#2f45c5", "berry", 1100, 250, 44),
    ("#e2703a", "petal", 690, 95, 40),
    ("#7a4a31", "pebble", 410, 105, 52),
)
"""(hex, form, x, y, size): what lies around the door of a bower, on 1200 × 760."""

TONES = ("#2f45c5", "#1f6b62", "#8a3b57", "#7a4a31", "#3d6b35", "#5b4596", "#9a3d24", "#2a5f83")
"""Dark enough for white letters (contrast over 5)."""


def tone_of(username: str) -> tuple[str, str]:
    """Ground and letter of the sign of someone who has no picture."""
    return TONES[zlib.crc32(username.encode()) % len(TONES)], "#fff"
