"""Words for objects and views, and the split of (category, colour) pairs into training and held-out ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from maquette_nano.world.categories import CATEGORIES
from maquette_nano.world.colours import COLOURS

SPLITS = ("train", "validation", "test")
VIEW_WORDS = ("front view", "side view", "left side view", "right side view", "back view", "overhead view")


def split_of(category: str, colour: str) -> str:
    """Which split a pair of category and body colour belongs to.

    Of each category's twelve colours one is held out for validation and two for testing, by a fixed hash, so that
    every category and every colour still appears in training.
    """

    def rank(name: str) -> bytes:
        return hashlib.blake2b(f"{category}/{name}".encode()).digest()

    place = sorted(COLOURS, key=rank).index(colour)
    return "test" if place < 2 else "validation" if place == 2 else "train"


def caption(category: str, body: str, detail: str, pattern: str, name_detail: bool = False) -> str:
    """A description such as "a red mushroom with white dots" or "a blue house with a white roof"."""
    text = f"a {body} {category}" if body[0] not in "aeiou" else f"an {body} {category}"
    if pattern != "plain":
        return f"{text} with {detail} {pattern}"
    if not name_detail:
        return text
    part = CATEGORIES[category].detail
    article = "" if part.endswith("s") else "an " if detail[0] in "aeiou" else "a "
    return f"{text} with {article}{detail} {part}"


def view_word(azimuth_deg: float, elevation_deg: float, tell_side: bool = False) -> str:
    """The words that captions use for a camera: quadrants about the front, and overhead above 60 degrees.

    With `tell_side` a side is the object's own left (azimuth 90) or right.
    """
    if elevation_deg > 60:
        return "overhead view"
    turn = (azimuth_deg + 180) % 360 - 180
    if 45 <= abs(turn) <= 135:
        return ("left side view" if turn > 0 else "right side view") if tell_side else "side view"
    return "front view" if abs(turn) < 45 else "back view"


def words() -> Sequence[str]:
    """Every word that occurs in a caption."""
    details = [category.detail for category in CATEGORIES.values()]
    views = [word for view in VIEW_WORDS for word in view.split()]
    return sorted({*CATEGORIES, *COLOURS, *details, *views, "a", "an", "with", "stripes", "dots", ","})


def test_prompts() -> list[str]:
    """The 32 prompts of the benchmark: held-out pairs, each category at least once, a third of them patterned."""
    colours = list(COLOURS)
    held = {c: [k for k in colours if split_of(c, k) == "test"] for c in CATEGORIES}
    names = list(CATEGORIES)
    prompts = []
    for index in range(32):
        category = names[index % len(names)]
        body = held[category][index // len(names)]
        detail = next(k for k in (colours[(7 * index + j) % 12] for j in range(12)) if k != body)
        pattern = ("plain", "dots", "plain", "stripes", "plain", "plain")[index % 6]
        prompts.append(caption(category, body, detail, pattern))
    return prompts


def all_test_captions() -> list[str]:
    """The vocabulary to retrieve among: "a COLOUR CATEGORY" for the whole grid, 12 times the number of categories."""
    return [caption(category, colour, colour, "plain") for category in CATEGORIES for colour in COLOURS]
