"""Words for objects and views, and the split of (category, colour) pairs into training and held-out ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from maquette_nano.world.categories import CATEGORIES
from maquette_nano.world.colors import COLORS

SPLITS = ("train", "validation", "test")
VIEW_WORDS = ("front view", "side view", "left side view", "right side view", "back view", "overhead view")


def split_of(category: str, color: str) -> str:
    """Which split a pair of category and body colour belongs to.

    Of each category's twelve colours one is held out for validation and two for testing, by a fixed hash, so that
    every category and every colour still appears in training.
    """

    def hash_of(name: str) -> bytes:
        return hashlib.blake2b(f"{category}/{name}".encode()).digest()

    rank_of_color = sorted(COLORS, key=hash_of).index(color)
    return "test" if rank_of_color < 2 else "validation" if rank_of_color == 2 else "train"


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


def view_word(azimuth_deg: float, elevation_deg: float, name_side: bool = False) -> str:
    """The view words of a camera: quadrants about the front, and overhead above 60 degrees of elevation.

    With `name_side` a side view is named left (azimuth 90, the object's left) or right.
    """
    if elevation_deg > 60:
        return "overhead view"
    azimuth = (azimuth_deg + 180) % 360 - 180
    if 45 <= abs(azimuth) <= 135:
        return ("left side view" if azimuth > 0 else "right side view") if name_side else "side view"
    return "front view" if abs(azimuth) < 45 else "back view"


def words() -> Sequence[str]:
    """Every word that occurs in a caption."""
    details = [category.detail for category in CATEGORIES.values()]
    views = [word for view in VIEW_WORDS for word in view.split()]
    return sorted({*CATEGORIES, *COLORS, *details, *views, "a", "an", "with", "stripes", "dots", ","})


def test_prompts() -> list[str]:
    """The 32 prompts of the benchmark: held-out pairs, each category at least once, a third of them patterned."""
    colors = list(COLORS)
    test_colors = {c: [k for k in colors if split_of(c, k) == "test"] for c in CATEGORIES}
    names = list(CATEGORIES)
    prompts = []
    for index in range(32):
        category = names[index % len(names)]
        body = test_colors[category][index // len(names)]
        detail = next(k for k in (colors[(7 * index + j) % 12] for j in range(12)) if k != body)
        pattern = ("plain", "dots", "plain", "stripes", "plain", "plain")[index % 6]
        prompts.append(caption(category, body, detail, pattern))
    return prompts


def all_test_captions() -> list[str]:
    """The candidates of caption retrieval: "a COLOUR CATEGORY" for all pairs, 12 times the number of categories."""
    return [caption(category, color, color, "plain") for category in CATEGORIES for color in COLORS]
