"""Twenty-four palettes, chosen by eye in OKLCH: a ground, an ink, and five colours that live well together.

OKLab: Björn Ottosson, "A perceptual color space for image processing" (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Field = NDArray[Any]
"""Field: one a pixel, or three for a colour in sRGB from 0 to 1; float32 where there are many."""


_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)

Lch = tuple[float, float, float]
"""Lightness 0 to 1, chroma, hue in degrees."""


def lab(lch: Lch) -> Field:
    lightness, chroma, hue = lch
    return np.array([lightness, chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))], np.float32)


def rgb(oklab: Field) -> Field:
    """(..., 3) OKLab to sRGB from 0 to 1, clipped to the gamut."""
    linear = ((oklab @ _TO_LMS.T) ** 3) @ _TO_RGB.T
    linear = np.clip(linear, 0, 1)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(gamma, np.float32)


def oklab(srgb: Field) -> Field:
    """(..., 3) sRGB from 0 to 1 to OKLab."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    lms = np.cbrt(linear @ np.linalg.inv(_TO_RGB).T)
    return np.asarray(lms @ np.linalg.inv(_TO_LMS).T, np.float32)


def mix(one: Field, other: Field, share: float) -> Field:
    """The sRGB colour `share` of the way from one to the other, by OKLab."""
    return rgb(oklab(one) * (1 - share) + oklab(other) * share)


def ramp(stops: Sequence[Field], steps: int = 1024) -> Field:
    """(steps, 3) sRGB that runs evenly through the stops."""
    points = oklab(np.stack(list(stops)))
    at = np.linspace(0, len(points) - 1, steps)
    return rgb(np.stack([np.interp(at, np.arange(len(points)), points[:, c]) for c in range(3)], axis=1))


@dataclass(frozen=True)
class Palette:
    name: str
    family: str
    moods: tuple[str, ...]
    ground_lch: Lch
    ink_lch: Lch
    named: tuple[tuple[str, Lch], ...]
    """The first two give the palette its name."""

    @cached_property
    def ground(self) -> Field:
        return rgb(lab(self.ground_lch))

    @cached_property
    def ink(self) -> Field:
        return rgb(lab(self.ink_lch))

    @cached_property
    def colours(self) -> list[Field]:
        return [rgb(lab(lch)) for _, lch in self.named]

    @cached_property
    def dark(self) -> bool:
        return self.ground_lch[0] < 0.5

    @cached_property
    def by_light(self) -> list[Field]:
        """The five colours from the lightest to the darkest."""
        return [rgb(lab(lch)) for _, lch in sorted(self.named, key=lambda pair: -pair[1][0])]

    @cached_property
    def warm(self) -> Field:
        """The warmest of the five."""
        return max(self.colours, key=lambda colour: float(colour[0] - colour[2]))

    @cached_property
    def paper(self) -> Field:
        """What a print is printed on: the ground, a little nearer to white or to its darkest colour."""
        return mix(self.ground, self.by_light[4], 0.3) if self.dark else mix(self.ground, np.ones(3, np.float32), 0.25)

    @cached_property
    def deep(self) -> Field:
        """The darker of ground and ink."""
        return self.ground if self.dark else self.ink

    @cached_property
    def pale(self) -> Field:
        """The lighter of ground and ink."""
        return self.ink if self.dark else self.ground


def _palette(name: str, family: str, moods: str, ground: Lch, ink: Lch, **colours: Lch) -> Palette:
    named = tuple((key.replace("_", " "), lch) for key, lch in colours.items())
    return Palette(name, family, tuple(moods.split()), ground, ink, named)


PALETTES = (
    # earth
    _palette("ochre-teal", "earth", "quiet sunlit slow", (0.945, 0.02, 85), (0.28, 0.035, 220),
             ochre=(0.76, 0.13, 78), teal=(0.53, 0.08, 205), rust=(0.56, 0.13, 42), sand=(0.87, 0.05, 82),
             petrol=(0.37, 0.06, 218)),
    _palette("terracotta-sage", "earth", "sunbaked warm calm", (0.95, 0.016, 78), (0.3, 0.03, 50),
             terracotta=(0.63, 0.13, 42), sage=(0.73, 0.045, 145), clay=(0.8, 0.065, 58), moss=(0.48, 0.055, 135),
             brick=(0.46, 0.1, 35)),
    _palette("walnut-cream", "earth", "hushed woody gentle", (0.955, 0.018, 88), (0.27, 0.025, 55),
             walnut=(0.42, 0.05, 55), cream=(0.9, 0.035, 85), caramel=(0.68, 0.09, 65), fawn=(0.79, 0.05, 75),
             umber=(0.54, 0.065, 52)),
    _palette("clay-blue", "earth", "dusty honest easy", (0.935, 0.018, 70), (0.29, 0.05, 262),
             clay=(0.68, 0.1, 50), ink_blue=(0.42, 0.085, 258), bone=(0.88, 0.025, 80), denim=(0.6, 0.07, 250),
             cinnamon=(0.53, 0.1, 45)),
    # sun
    _palette("apricot-plum", "sun", "ripe golden late", (0.955, 0.025, 75), (0.29, 0.06, 345),
             apricot=(0.81, 0.11, 65), plum=(0.42, 0.09, 345), peach=(0.86, 0.07, 50), tangerine=(0.72, 0.15, 50),
             mulberry=(0.53, 0.12, 5)),
    _palette("saffron-rose", "sun", "bright festive glad", (0.96, 0.025, 90), (0.33, 0.08, 10),
             saffron=(0.81, 0.15, 78), rose=(0.66, 0.15, 12), blush=(0.86, 0.06, 25), paprika=(0.6, 0.17, 35),
             wine=(0.44, 0.11, 8)),
    _palette("lemon-slate", "sun", "fresh crisp airy", (0.965, 0.012, 105), (0.33, 0.02, 250),
             lemon=(0.89, 0.13, 100), slate=(0.5, 0.03, 250), silver=(0.82, 0.012, 250), mustard=(0.76, 0.13, 88),
             graphite=(0.38, 0.02, 255)),
    _palette("coral-sky", "sun", "breezy cheerful summery", (0.965, 0.016, 80), (0.32, 0.07, 250),
             coral=(0.71, 0.15, 30), sky=(0.77, 0.075, 232), sunshine=(0.86, 0.11, 85), salmon=(0.8, 0.09, 35),
             marine=(0.5, 0.1, 248)),
    # blush
    _palette("rose-burgundy", "blush", "tender velvety romantic", (0.95, 0.018, 20), (0.28, 0.07, 15),
             dusty_rose=(0.74, 0.075, 15), burgundy=(0.4, 0.11, 15), petal=(0.87, 0.045, 15),
             raspberry=(0.57, 0.15, 8), mauve=(0.63, 0.06, 350)),
    _palette("lilac-mint", "blush", "dreamy light sweet", (0.965, 0.012, 310), (0.36, 0.07, 295),
             lilac=(0.76, 0.085, 305), mint=(0.86, 0.065, 165), lavender=(0.85, 0.045, 295), orchid=(0.66, 0.12, 330),
             violet=(0.5, 0.11, 295)),
    _palette("peony-olive", "blush", "blooming soft lively", (0.955, 0.016, 60), (0.31, 0.04, 120),
             peony=(0.74, 0.12, 5), olive=(0.57, 0.075, 115), seashell=(0.88, 0.045, 30), cerise=(0.6, 0.17, 8),
             ivy=(0.42, 0.055, 130)),
    _palette("shell-cobalt", "blush", "clear playful cool", (0.955, 0.016, 35), (0.3, 0.1, 264),
             shell_pink=(0.85, 0.06, 25), cobalt=(0.47, 0.15, 262), rosewood=(0.65, 0.1, 22), powder=(0.83, 0.045, 250),
             cornflower=(0.64, 0.11, 260)),
    # garden
    _palette("fern-butter", "garden", "leafy mild spring", (0.965, 0.025, 98), (0.3, 0.045, 150),
             fern=(0.56, 0.095, 145), buttercream=(0.92, 0.06, 95), leaf=(0.71, 0.11, 135), honey=(0.82, 0.11, 85),
             bottle=(0.41, 0.065, 155)),
    _palette("olive-brick", "garden", "rustic sunny old", (0.945, 0.025, 92), (0.29, 0.035, 110),
             olive=(0.62, 0.085, 112), brick=(0.55, 0.13, 35), straw=(0.86, 0.07, 92), khaki=(0.73, 0.06, 105),
             cypress=(0.41, 0.05, 130)),
    _palette("mint-navy", "garden", "cool tidy minty", (0.965, 0.014, 170), (0.29, 0.06, 255),
             mint=(0.84, 0.075, 168), navy=(0.37, 0.075, 255), jade=(0.66, 0.1, 168), cream=(0.92, 0.04, 95),
             spruce=(0.47, 0.065, 190)),
    _palette("pistachio-chocolate", "garden", "sweet mellow shady", (0.95, 0.022, 105), (0.27, 0.035, 45),
             pistachio=(0.82, 0.085, 122), chocolate=(0.38, 0.05, 45), almond=(0.86, 0.04, 75),
             basil=(0.57, 0.085, 135), cocoa=(0.57, 0.065, 50)),
    # sea
    _palette("indigo-white", "sea", "serene tidal still", (0.965, 0.008, 240), (0.28, 0.09, 268),
             indigo=(0.39, 0.12, 268), white=(0.94, 0.012, 240), delft=(0.55, 0.12, 260), mist=(0.82, 0.035, 248),
             hyacinth=(0.69, 0.085, 262)),
    _palette("turquoise-coral", "sea", "tropical bright salty", (0.965, 0.014, 95), (0.31, 0.055, 215),
             turquoise=(0.74, 0.1, 195), coral=(0.72, 0.14, 33), foam=(0.91, 0.035, 185), lagoon=(0.58, 0.095, 212),
             deep_sea=(0.41, 0.07, 222)),
    _palette("fog-pine", "sea", "misty northern silent", (0.94, 0.008, 215), (0.27, 0.03, 190),
             fog=(0.83, 0.015, 215), pine=(0.42, 0.05, 180), heather=(0.68, 0.03, 265), lichen=(0.75, 0.05, 140),
             steel=(0.55, 0.03, 225)),
    _palette("ultramarine-marigold", "sea", "bold windy clear", (0.955, 0.02, 90), (0.28, 0.1, 270),
             ultramarine=(0.46, 0.17, 268), marigold=(0.8, 0.145, 75), ice=(0.88, 0.035, 235), azure=(0.66, 0.12, 245),
             apricot=(0.82, 0.1, 62)),
    # night
    _palette("midnight-gold", "night", "starlit deep quiet", (0.245, 0.055, 268), (0.93, 0.035, 90),
             midnight=(0.35, 0.08, 268), gold=(0.82, 0.12, 85), dusk_blue=(0.5, 0.085, 262), brass=(0.68, 0.1, 78),
             moonlight=(0.88, 0.04, 95)),
    _palette("aubergine-peach", "night", "dusky warm glowing", (0.265, 0.06, 330), (0.94, 0.03, 65),
             aubergine=(0.38, 0.085, 330), peach=(0.83, 0.095, 55), orchid=(0.6, 0.13, 345), ember=(0.69, 0.14, 40),
             fig=(0.5, 0.1, 320)),
    _palette("forest-copper", "night", "mossy secret still", (0.255, 0.035, 165), (0.93, 0.03, 95),
             forest=(0.36, 0.055, 160), copper=(0.68, 0.115, 50), fern=(0.56, 0.075, 150), lichen=(0.79, 0.065, 125),
             candle=(0.87, 0.07, 85)),
    _palette("charcoal-ember", "night", "smouldering late bold", (0.245, 0.008, 50), (0.94, 0.018, 80),
             charcoal=(0.36, 0.012, 50), ember=(0.66, 0.185, 38), ash=(0.68, 0.012, 70), amber=(0.79, 0.145, 70),
             brick=(0.51, 0.14, 32)),
)  # fmt: skip
