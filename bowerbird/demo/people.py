"""Forty people with tastes: a love of some styles and some colours decides what each of them pinned and saved."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from bowerbird.demo.paint import Painting

LOVED, OTHERS = (7.0, 5.0, 3.5, 2.5), 0.1
"""Weights of a person's first, second, third and fourth style, and of every other style."""
NEAR, FAR = (4.0, 2.2), 0.3
"""The same for families of palettes."""
SAVES = 130
"""Median number of saves of one person."""


@dataclass(frozen=True)
class Person:
    username: str
    name: str
    about: str
    styles: tuple[str, ...]
    families: tuple[str, ...]


@dataclass(frozen=True)
class Shelf:
    """A board before it has its pins; `styles` and `families` say what belongs on it, nothing meaning anything."""

    owner: str
    name: str
    description: str = ""
    styles: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    secret: bool = False


@dataclass(frozen=True)
class Saved:
    shelf: Shelf
    painting: str
    at: float
    """When, from 0, a year ago, to 1, now."""


def _person(username: str, name: str, about: str, styles: str, families: str) -> Person:
    return Person(username, name, about, tuple(styles.split()), tuple(families.split()))


PEOPLE = (
    _person(
        "amara", "Amara Okafor", "Textile designer. Wax prints, quilts and strong tea.", "quilt tiles knit", "sun earth"
    ),
    _person("bjorn", "Bjørn Dahl", "Builds wooden boats, draws maps of fjords.", "contours shore ranges", "sea"),
    _person(
        "chiara", "Chiara Bellini", "Ceramics from a small studio in Faenza.", "vases terrazzo tiles", "earth blush"
    ),
    _person("devika", "Devika Rao", "Architect. Collects floors.", "terrazzo tiles poster", "earth garden"),
    _person(
        "emre", "Emre Yıldız", "Ebru and bookbinding, learning from my grandfather.", "marble washes coral", "sea sun"
    ),
    _person("fatima", "Fatima Zahra Benali", "Zellige, courtyards, shade.", "tiles glass arches", "sea garden"),
    _person("gus", "Gus Lindqvist", "Night photographer. Coffee after ten.", "moonlight ranges trees", "night"),
    _person("hana", "Hana Kobayashi", "Sashiko, small gardens, blue and white.", "river washes quilt", "sea"),
    _person("ines", "Inês Carvalho", "Illustrator of things that grow.", "sprigs meadow trees", "garden blush"),
    _person("jonah", "Jonah Whitfield", "Letterpress and posters in a shed.", "poster pebbles tiles", "sun night"),
    _person("kalani", "Kalani Akana", "Reef surveys by day, ukulele by night.", "coral shore river", "sea sun"),
    _person(
        "lena",
        "Lena Hoffmann",
        "Bauhaus nerd from Dessau. Grids, grids, grids.",
        "poster pebbles pendulum",
        "earth sun",
    ),
    _person("mateo", "Mateo Quispe", "Weaver from Cusco. Every stripe has a name.", "knit tartan quilt", "sun night"),
    _person(
        "nadia", "Nadia Petrova", "Mathematician. I like curves that come home.", "pendulum coral contours", "night sea"
    ),
    _person(
        "oisin", "Oisín Byrne", "Hill walker. It is raining, it is lovely.", "ranges contours tartan", "garden sea"
    ),
    _person("priya", "Priya Nair", "Interiors in pale colours.", "arches vases sprigs", "blush earth"),
    _person("quentin", "Quentin Moreau", "Restores church windows.", "glass marble moonlight", "night sea"),
    _person("rosa", "Rosa Jiménez", "Desert plants, desert light.", "arches ranges vases", "earth sun"),
    _person("sina", "Sina Leota", "Ocean swimmer. Sketches on the ferry.", "shore washes moonlight", "sea"),
    _person("tomasz", "Tomasz Zieliński", "Polish poster school for ever.", "poster glass pebbles", "night blush"),
    _person("uma", "Uma Krishnan", "Botanist with too many notebooks.", "sprigs coral meadow", "garden"),
    _person("viktor", "Viktor Lund", "Furniture maker. Teak, wool, quiet.", "tartan knit terrazzo", "earth garden"),
    _person("wanjiru", "Wanjiru Kamau", "Baskets, beads and bright walls.", "pebbles quilt tiles", "sun blush"),
    _person("xiu", "Xiu Lin", "Ink, tea, mountains in mist.", "ranges washes trees", "sea garden"),
    _person(
        "yael", "Yael Shapira", "Nursery decorator. Rainbows are serious work.", "arches pebbles meadow", "blush sun"
    ),
    _person(
        "zoltan", "Zoltán Farkas", "Amateur astronomer, professional baker.", "moonlight pendulum contours", "night"
    ),
    _person("aiko", "Aiko Tanaka", "Kimono fabrics and pattern history.", "river marble tiles", "blush night"),
    _person("bruno", "Bruno Ferreira", "Surfboard shaper. Waves from above.", "shore river coral", "sun sea"),
    _person(
        "celeste", "Celeste Dubois", "Florist. Peonies until they are gone.", "meadow sprigs washes", "blush garden"
    ),
    _person("dmitri", "Dmitri Volkov", "Plotter art. One line at a time.", "pendulum river contours", "night earth"),
    _person("elif", "Elif Demir", "Kilims, cushions, cats.", "quilt knit marble", "earth night"),
    _person(
        "farid", "Farid Haddad", "Café owner. Looking for the perfect floor.", "terrazzo tiles vases", "garden sun"
    ),
    _person("greta", "Greta Nilsen", "Knits faster than she talks.", "knit tartan quilt", "sea blush"),
    _person("hugo", "Hugo Almeida", "Tile hunter, Lisbon.", "tiles glass poster", "sea sun"),
    _person(
        "isla", "Isla MacLeod", "Mill archive in the Borders. Tartan, mostly.", "tartan ranges knit", "garden night"
    ),
    _person("jun", "Jun Park", "Product designer. Circles.", "pebbles pendulum terrazzo", "blush sea"),
    _person("kofi", "Kofi Mensah", "Grows trees, carves spoons.", "trees meadow vases", "garden earth"),
    _person("lucia", "Lucía Fernández", "Watercolour every morning before work.", "washes shore sprigs", "blush sea"),
    _person(
        "milan", "Milan Horvat", "Cartographer, retired. Still drawing islands.", "contours river shore", "earth sea"
    ),
    _person("noor", "Noor van Dijk", "Gardens on balconies.", "meadow trees arches", "sun garden"),
)

DEMO = _person("demo", "Demo", "This account is yours to try things with.", "ranges vases tiles washes", "earth sea")

OF_STYLES: dict[str, tuple[str, ...]] = {
    "ranges": ("Mountains", "Misty ridges", "Places to walk"),
    "shore": ("By the sea", "Beaches from above", "Salt water"),
    "moonlight": ("Night skies", "Moons", "After dark"),
    "contours": ("Maps", "Contour lines", "Imaginary islands"),
    "river": ("Flow", "Brush strokes", "Things that move"),
    "marble": ("Marbled paper", "Endpapers", "Ebru"),
    "washes": ("Watercolour", "Loose and wet", "Painting ideas"),
    "coral": ("Patterns in nature", "Corals and mazes", "Growing things"),
    "tartan": ("Tartan", "Plaids", "Wool"),
    "knit": ("Knitting", "Fair Isle", "Winter projects"),
    "quilt": ("Quilts", "Patchwork", "Sewing room"),
    "terrazzo": ("Terrazzo", "Floors", "Stone"),
    "tiles": ("Tiles", "Kitchen walls", "Pattern library"),
    "poster": ("Geometric posters", "Bauhaus", "Graphic things"),
    "vases": ("Ceramics", "Still lifes", "Pots and stems"),
    "arches": ("Arches", "Boho prints", "Above the crib"),
    "pendulum": ("Line art", "Curves", "Harmonographs"),
    "pebbles": ("Dots and circles", "Happy patterns", "Buttons"),
    "glass": ("Stained glass", "Windows", "Mosaics"),
    "sprigs": ("Botanical prints", "Leaves", "Herbarium"),
    "trees": ("Trees", "In blossom", "Orchard"),
    "meadow": ("Wild flowers", "Meadows", "Garden dreams"),
}
OF_FAMILIES: dict[str, tuple[str, ...]] = {
    "earth": ("Earth tones", "Ochre and clay", "Warm neutrals"),
    "sun": ("Sunny colours", "Orange, yellow, red", "Colours for August"),
    "blush": ("Pinks", "Blush and rose", "Soft colours"),
    "garden": ("All the greens", "Green room", "Moss and mint"),
    "sea": ("Blue", "Sea colours", "Blue hour"),
    "night": ("Dark and moody", "Midnight palette", "Dark walls"),
}
OF_MOODS = ("For the hallway", "Living room wall", "Sunday morning", "Prints to buy", "Slow things", "Above the desk",
            "Keepers", "Inspiration", "Tiny flat, big prints", "To look at again")  # fmt: skip
SECRETS = ("Presents", "Bedroom, maybe", "Not sure yet", "Moving house")


def taste(person: Person, painting: Painting) -> float:
    """How much more than anybody this person wants this picture; a weight, not a probability."""
    style = LOVED[person.styles.index(painting.style)] if painting.style in person.styles else OTHERS
    family = painting.palette.family
    return style * (NEAR[person.families.index(family)] if family in person.families else FAR)


def shelves(person: Person) -> list[Shelf]:
    """Three to six boards: some of one style, one of a colour, one of a mood, and now and then a secret one."""
    rng = _chance(person.username, "shelves")
    kept = []
    for style in person.styles[: int(rng.integers(1, 4))]:
        name = str(rng.choice(OF_STYLES[style]))
        kept.append(Shelf(person.username, name, f"{name}, collected by {person.name}.", styles=frozenset({style})))
    family = person.families[int(rng.integers(0, len(person.families)))]
    kept.append(Shelf(person.username, str(rng.choice(OF_FAMILIES[family])), families=frozenset({family})))
    kept.append(Shelf(person.username, str(rng.choice(OF_MOODS))))
    if rng.random() < 0.3 or person is DEMO:
        kept.append(Shelf(person.username, str(rng.choice(SECRETS)), secret=True))
    return kept


@cache
def uploaders(gallery: tuple[Painting, ...]) -> dict[str, str]:
    """By the name of each painting the username of whoever pinned it first: someone who loves such pictures."""
    rng = _chance("uploaders")
    by = {}
    for painting in gallery:
        weights = np.array([taste(person, painting) for person in PEOPLE]) ** 1.5
        by[painting.name] = PEOPLE[int(rng.choice(len(PEOPLE), p=weights / weights.sum()))].username
    return by


def popularity(gallery: Sequence[Painting]) -> dict[str, float]:
    """Few pictures are loved by many: weights with a heavy tail (Pareto)."""
    draws = _chance("popularity").pareto(1.6, len(gallery)) + 0.25
    return {painting.name: float(weight) for painting, weight in zip(gallery, draws, strict=True)}


@cache
def saves(gallery: tuple[Painting, ...]) -> tuple[Saved, ...]:
    """Who saved what, where and when, oldest first."""
    loved, by = popularity(gallery), uploaders(gallery)
    hung = {painting.name: (number + 0.5) / len(gallery) for number, painting in enumerate(gallery)}
    found = []
    for person in (*PEOPLE, DEMO):
        rng = _chance(person.username, "saves")
        own = shelves(person)
        weights = np.array([taste(person, painting) * loved[painting.name] ** 0.6 for painting in gallery])
        count = 70 if person is DEMO else int(np.clip(SAVES * rng.lognormal(0, 0.45), 40, 260))
        # The largest of log-weight plus Gumbel noise: a sample without replacement (Efraimidis and Spirakis 2006).
        order = np.argsort(-(np.log(weights) + 1.4 * rng.gumbel(size=len(gallery))))
        wanted = {gallery[k].name for k in order[:count]}
        for painting in gallery:
            mine = by[painting.name] == person.username
            if not mine and painting.name not in wanted:
                continue
            start = hung[painting.name]
            for n, shelf in enumerate(_fitting(own, painting, rng)):
                wait = 0.0 if mine and n == 0 else rng.random() ** 2
                found.append(Saved(shelf, painting.name, start + (1 - start) * wait))
    return tuple(sorted(found, key=lambda saved: saved.at))


def _fitting(own: list[Shelf], painting: Painting, rng: np.random.Generator) -> list[Shelf]:
    """The board this picture goes on, and sometimes a second one."""
    special = [s for s in own if painting.style in s.styles] + [s for s in own if painting.palette.family in s.families]
    other = [shelf for shelf in own if not shelf.styles and not shelf.families]
    if not special:
        return [other[int(rng.integers(0, len(other)))]]
    first = special[int(rng.integers(0, len(special)))]
    more = [shelf for shelf in (*special, *other) if shelf is not first]
    return [first, more[int(rng.integers(0, len(more)))]] if rng.random() < 0.12 else [first]


def follows() -> list[tuple[str, str]]:
    """(who, whom): everyone follows the half dozen whose taste is nearest to theirs."""
    pairs = []
    for person in (*PEOPLE, DEMO):
        rng = _chance(person.username, "follows")
        common = [
            len(set(person.styles) & set(other.styles)) + 0.6 * len(set(person.families) & set(other.families))
            for other in PEOPLE
        ]
        order = np.argsort(-(np.array(common) + rng.random(len(PEOPLE))))
        near = [PEOPLE[k].username for k in order if PEOPLE[k] is not person]
        pairs += [(person.username, name) for name in near[: int(rng.integers(3, 9))]]
    return pairs


def _chance(*words: str) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(word.encode()) for word in words])
