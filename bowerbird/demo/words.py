"""What the pictures are called: a title, a description and a text for those who cannot see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator

    from bowerbird.demo.palettes import Palette


@dataclass(frozen=True)
class Voice:
    """How one style is spoken of. `{a}` and `{b}` are the palette's colours, `{mood}` one of its moods."""

    titles: tuple[str, ...]
    about: tuple[str, ...]
    alt: str


CLOSINGS = (
    "Mostly {a} and {b}.",
    "{A}, {b} and a little {c}.",
    "In {a}, {b} and {c}.",
    "A {mood} one.",
    "For a {mood} corner.",
    "The {c} came last.",
    "",
)


def _voice(titles: str, about: str, alt: str) -> Voice:
    return Voice(tuple(titles.split(" / ")), tuple(about.split(" / ")), alt)


VOICES: dict[str, Voice] = {
    "ranges": _voice(
        "Ridge after ridge / {Mood} mountains / Low sun, {a} hills / The long walk home / Valley in {a} and {b} / "
        "Above the tree line / Last light on the range / Seven ridges, {mood} air / Pass at dusk in {b} / Firs below, "
        "{b} above",
        "Layered mountains at sunset, each ridge paler with distance. / A mountain landscape in flat, misty layers. / "
        "The view from the hut just before dark.",
        "Landscape print of layered mountain ridges under a low sun, in {a}, {b} and {c}",
    ),
    "shore": _voice(
        "Where the {a} begins / Low tide, {mood} sand / Foam lines / Beach from above in {a} / The sea was {b} that "
        "day / One parasol / {Mood} shore / Tide going out / Salt, {a} and {b} / Between two waves",
        "Beach and surf seen from high above. / Waves running up the sand, as a gull sees them. / An aerial seascape "
        "with lace of foam.",
        "Aerial view of waves with white foam reaching a sandy beach, in {a}, {b} and {c}",
    ),
    "moonlight": _voice(
        "{Mood} night, full moon / A planet over the hills / Rings above {a} hills / Night sky in {a} and {b} / "
        "Moonrise, {mood} / The other moon / Stars over the ridge / Far side of {b} / Postcard from a {b} planet / "
        "Night watch",
        "A night sky with stars, a great moon or planet and dark hills. / Space poster for people who stay up. / The "
        "kind of moon you stop the car for.",
        "Night sky full of stars with a large moon or planet above dark hills, in {a}, {b} and {c}",
    ),
    "contours": _voice(
        "Map of nowhere in {a} / Island survey, sheet {n} / {Mood} contours / Every fifth line is heavier / The {b} "
        "basin / Depths and heights / Topography in {a} and {b} / Unnamed hills / A map to get lost with / Isolines, "
        "{mood}",
        "A topographic map of a place that does not exist. / Contour lines over tinted heights. / Cartography for "
        "daydreams: isolines and shaded relief.",
        "Topographic contour map with fine isolines over bands of {a}, {b} and {c}",
    ),
    "river": _voice(
        "Slow river in {a} and {b} / {Mood} current / Against the grain / Wind over barley / Undertow / Long grass, "
        "{mood} wind / The way water thinks / Flow study no. {n} / Drift in {b} / Starlings turning",
        "Brush strokes that follow one current: a flow field. / Generative lines, a little like hair, a little like a "
        "river. / Hundreds of strokes and no two crossing for long.",
        "Abstract flow field of curved brush strokes in {a}, {b} and {c}",
    ),
    "marble": _voice(
        "Endpaper in {a} and {b} / Nonpareil, {mood} / Marbled paper no. {n} / Combed twice / Inside an old book / "
        "{Mood} marbling / Suminagashi in {b} / Oil on water / Peacock comb / Bookbinder's {a}",
        "Marbled paper, combed and curled like the endpapers of old books. / Ink floated on water and lifted off in "
        "one go. / Bookbinding paper with veins of colour.",
        "Marbled paper with combed swirls of {a}, {b} and {c}",
    ),
    "washes": _voice(
        "Wet on dry, {a} / Balance in {a} and {b} / {Mood} stones / Five pools of {b} / Watercolour study no. {n} / "
        "Where they overlap / Petals, {mood} / Still drying / Transparent {a} / A morning with {b}",
        "Watercolour washes that overlap and dry darker at the rim. / Loose watercolour shapes on rough paper. / "
        "Abstract watercolour with a few drops where the brush was shaken.",
        "Abstract watercolour of overlapping translucent shapes in {a}, {b} and {c}",
    ),
    "coral": _voice(
        "Brain coral in {a} / {Mood} labyrinth / Turing's garden / Reef study no. {n} / How the zebra did it / Growth "
        "rings of {b} / Maze for a {mood} day / Fingerprint of the sea / Coral, {a} and {b} / Lichen on a wall",
        "A pattern that grows by itself, like coral or a zebra's coat. / Reaction and diffusion: an organic labyrinth. "
        "/ Soft relief like brain coral under water.",
        "Organic labyrinth pattern like coral in {a}, {b} and {c}",
    ),
    "tartan": _voice(
        "{Mood} tartan / Blanket in {a} and {b} / Plaid no. {n} / Picnic rug / My aunt's scarf, {a} / Highland {b} / "
        "Wool for a {mood} day / Twill in {a} / Sunday plaid / Check, {a} on {b}",
        "A woven tartan in soft wool twill. / Plaid fabric, thread by thread. / Textile pattern: stripes crossing in a "
        "2/2 twill.",
        "Woven tartan plaid fabric in {a}, {b} and {c}",
    ),
    "knit": _voice(
        "Fair Isle in {a} and {b} / Grandmother's jumper / {Mood} knit / Yoke pattern no. {n} / Winter bands of {b} / "
        "Knitted by the fire / Stitch by stitch, {a} / Shetland {a} / Mittens to match / Wool stash, {mood}",
        "Fair Isle knitting in bands of small motifs. / A cosy knitted pattern, every stitch visible. / Colourwork "
        "knitting chart come true.",
        "Knitted Fair Isle pattern with bands of motifs in {a}, {b} and {c}",
    ),
    "quilt": _voice(
        "Patchwork in {a} and {b} / {Mood} quilt / Scrap basket stars / Quilt block no. {n} / Pinwheels, {a} / Sunday "
        "quilt / Half-square triangles / The {b} bedspread / Made from old shirts / Stars and {mood} squares",
        "Patchwork quilt of half-square triangles, padded and stitched. / Printed cottons sewn into stars and "
        "pinwheels. / A quilt to plan a winter around.",
        "Patchwork quilt with geometric blocks of printed fabric in {a}, {b} and {c}",
    ),
    "terrazzo": _voice(
        "Terrazzo in {a} and {b} / {Mood} floor / Café floor, Trieste / Chips of {a} / Terrazzo sample no. {n} / "
        "Stairwell, 1962 / Polished {b} / Confetti for grown-ups / Bathroom of my dreams / Stone soup",
        "Terrazzo with chips of stone in pale cement. / A floor pattern of broken stone, polished smooth. / Surface "
        "design with scattered chips.",
        "Terrazzo pattern of angular stone chips in {a}, {b} and {c}",
    ),
    "tiles": _voice(
        "Truchet in {a} and {b} / {Mood} tiles / Kitchen wall, Lisbon / Tile study no. {n} / Turned by chance / "
        "Endless ribbon of {a} / Mid-century {b} / Hallway floor / Quarter circles / Loops, {mood}",
        "Truchet tiles: one tile, turned at random, always meets its neighbours. / A geometric tile pattern of arcs "
        "and ribbons. / Retro tiles for a kitchen that does not exist yet.",
        "Geometric tile pattern of arcs and rings in {a}, {b} and {c}",
    ),
    "poster": _voice(
        "Exhibition poster, {a} and {b} / Bauhaus evening / {Mood} geometry / Composition no. {n} / Circle, square, "
        "{b} / Weimar in {a} / Form follows {b} / Building blocks / Modules for a {mood} wall / School of {a}",
        "Geometric poster of quarters, halves, rings and bars. / Mid-century modules on a strict grid. / A Bauhaus "
        "print with paper left around it.",
        "Geometric Bauhaus poster of circles, arcs and bars in {a}, {b} and {c}",
    ),
    "vases": _voice(
        "Still life with {a} pot / Shelf in {a} and {b} / {Mood} ceramics / The {b} vase / Pots, {mood} light / Kiln "
        "day / A branch from the garden / Stoneware no. {n} / On the potter's table / Eucalyptus and {a}",
        "Still life with ceramic vases and a branch or two. / Hand-thrown pottery on a table. / Quiet interior: vases, "
        "dried stems, a plain wall.",
        "Still life of ceramic vases with leafy stems on a table, in {a}, {b} and {c}",
    ),
    "arches": _voice(
        "Arches in {a} and {b} / {Mood} rainbow / Gateway, {a} / Boho arch no. {n} / Under the {b} arch / Sun and "
        "arches / Nursery rainbow / Doorways / A rainbow without rain / Desert arches",
        "Boho print of nested arches and a sun. / Abstract rainbow arches on warm paper. / Soft arches for above a "
        "crib or a desk.",
        "Boho print of nested rainbow arches in {a}, {b} and {c}",
    ),
    "pendulum": _voice(
        "Pendulum drawing no. {n} / {Mood} orbit / Harmonograph in {a} / Coming to rest / Two pendulums, {b} ink / The "
        "sound of a fifth / Lissajous, {mood} / Spirograph for adults / Line without end / {A} thread",
        "A harmonograph: the line of a pen that hangs from pendulums. / Line art from swinging pendulums, fading as "
        "they tire. / Fine spirograph lines on tinted paper.",
        "Harmonograph line drawing of fine looping curves in {a} and {b}",
    ),
    "pebbles": _voice(
        "Packed circles, {a} and {b} / {Mood} pebbles / Button box / Circle study no. {n} / All the marbles / Dots for "
        "a {mood} day / Pebble beach in {a} / Planets on parade / No room left / Polka, {b}",
        "Circles packed until nothing more fits. / A playful pattern of dots, rings and petals. / Buttons, marbles, "
        "planets: circle packing.",
        "Pattern of packed circles of many sizes in {a}, {b} and {c}",
    ),
    "glass": _voice(
        "Stained glass, {a} and {b} / {Mood} window / Rose window / Leaded light no. {n} / Chapel in {b} / Afternoon "
        "through glass / Mosaic of {a} / Panes / Sun in the window / The glazier's {a}",
        "Stained glass in many small panes, lit from behind. / A Voronoi mosaic like a leaded window. / Mosaic with "
        "dark lead between panes of colour.",
        "Stained glass mosaic of small leaded panes in {a}, {b} and {c}",
    ),
    "sprigs": _voice(
        "Pressed fern / Herbarium, sheet {n} / {Mood} botanicals / Sprigs in {a} and {b} / Olive and {a} / From the "
        "{mood} garden / Willow, {b} / Eucalyptus study / Picked in May / Berries on {a}",
        "Botanical print of pressed leaves. / Leaves and berries as in a herbarium. / Cut-paper botanicals on tinted "
        "ground.",
        "Botanical print of leafy sprigs in {a}, {b} and {c}",
    ),
    "trees": _voice(
        "Lone tree, {mood} / Blossom in {a} / The {b} tree / Orchard in April / Tree no. {n} / {Mood} birch / Grown "
        "from six letters / Against the sun / Elm, remembered / Tree with {a} moon",
        "A tree in blossom before a pale disc. / A tree grown by an L-system, letter by letter. / Minimal landscape: "
        "one tree, one sun.",
        "A lone blossoming tree before a large pale sun, in {a}, {b} and {c}",
    ),
    "meadow": _voice(
        "Meadow in {a} and {b} / Wild flowers, {mood} / Unmown / Poppies and {a} / {Mood} meadow / Field notes no. {n} "
        "/ June, lying down / Tall grass / Roadside flowers / Tulips gone wild",
        "Wild flowers in tall grass. / A meadow with poppies, daisies and tulips. / Flowers at eye level, the way bees "
        "see them.",
        "Meadow of wild flowers in tall grass, in {a}, {b} and {c}",
    ),
}


def describe(style: str, palette: Palette, rng: Generator, taken: set[str]) -> tuple[str, str, str]:
    """Title (one not yet in `taken`, if there is any), description and alternative text."""
    a, b, c = (name for name, _ in palette.named[:3])
    fill = {"a": a, "b": b, "c": c, "A": a.capitalize(), "mood": str(rng.choice(palette.moods))}
    fill |= {"Mood": fill["mood"].capitalize(), "n": str(rng.integers(2, 60))}
    voice = VOICES[style]
    titles = [_upper(_article(title.format(**fill))) for title in rng.permutation(voice.titles)]
    titles += [f"{title}, {a} and {b}" for title in titles]
    title = next((title for title in titles if title not in taken), titles[-1])
    about = f"{rng.choice(voice.about)} {rng.choice(CLOSINGS)}".format(**fill).strip()
    return title, _article(about), _article(voice.alt.format(**fill)) + "."


def _article(text: str) -> str:
    """An airy wall, not a airy one."""
    return re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", text)


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
