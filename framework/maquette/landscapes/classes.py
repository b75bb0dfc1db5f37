"""Classes of ground and the labels that they are rendered under, as `classes.yaml` lists them.

The scene encoder takes 11 classes (9 biomes, water, trees); pictures have 12 labels. The table between them is that of
Chen et al. 2023 (SceneDreamer, arXiv 2302.01330, the authors' code); the bands of climate follow Whittaker's diagram
(Whittaker 1975, "Communities and Ecosystems") and are ours, as are the rules of relief.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float, UInt8

TABLE = Path(__file__).with_name("classes.yaml")


@dataclass(frozen=True)
class GroundClass:
    """One class of the map.

    Attributes:
        name: what users write.
        label: index of the label under which it is rendered.
        color: red, green and blue in a map as PNG, 0 to 255.
        curve: of the heights of a biome: x1, y1, x2, y2, the height at 1, the weight of the detailed noise.
        trees: candidates for trees in a map of 2048 x 2048.
        species: names of its trees.
    """

    name: str
    label: int
    color: tuple[int, int, int]
    curve: tuple[float, ...] = ()
    trees: int = 0
    species: tuple[str, ...] = ()


@cache
def _table() -> dict[str, Any]:
    return yaml.safe_load(TABLE.read_text(encoding="utf-8"))


LABELS: tuple[str, ...] = tuple(_table()["labels"])
CLASSES: tuple[GroundClass, ...] = tuple(
    GroundClass(
        entry["name"],
        LABELS.index(entry["label"]),
        tuple(bytes.fromhex(entry["color"][1:])),  # type: ignore[arg-type]
        tuple(entry.get("curve", ())),
        entry.get("trees", 0),
        tuple(entry.get("species", ())),
    )
    for entry in _table()["classes"]
)
NAMES: tuple[str, ...] = tuple(entry.name for entry in CLASSES)
BIOMES: tuple[GroundClass, ...] = tuple(entry for entry in CLASSES if entry.curve)
WATER, TREE = NAMES.index("water"), NAMES.index("tree")
SKY_LABEL, TREE_LABEL, WATER_LABEL = (LABELS.index(name) for name in ("sky", "tree", "water"))
LABEL_COLORS: UInt8[np.ndarray, "labels 3"] = np.array(
    [tuple(bytes.fromhex(_table()["label_colors"][name][1:])) for name in LABELS], np.uint8
)
"""Red, green and blue of each label in pictures of labels, 0 to 255."""


def biomes_of(temperature: Float[np.ndarray, " n"], precipitation: Float[np.ndarray, " n"]) -> UInt8[np.ndarray, " n"]:
    """Biome (index into CLASSES) of each climate; both numbers lie in [-1, 1].

    Example:
        >>> [NAMES[biome] for biome in biomes_of(np.array([-0.9, 0.9]), np.array([-0.5, 0.9]))]
        ['tundra', 'rainforest']
    """
    biomes = np.zeros(len(temperature), np.uint8)
    colder = np.zeros(len(temperature), bool)
    for band in _table()["climate"]:
        within = ~colder & ((temperature < band["below"]) | (band is _table()["climate"][-1]))
        limits = [limit for limit, _ in band["biomes"][:-1]]
        names = np.array([NAMES.index(name) for _, name in band["biomes"]], np.uint8)
        biomes[within] = names[np.searchsorted(limits, precipitation[within])]
        colder |= within
    return biomes


def labels_of(
    classes: UInt8[np.ndarray, "x y"], height: Float[np.ndarray, "x y"], slope: Float[np.ndarray, "x y"], relief: bool
) -> UInt8[np.ndarray, "x y"]:
    """Label of the ground of each cell: its class's, or by the rules of relief where `relief` asks for them.

    Args:
        classes: indices into CLASSES.
        height: over the sea, 1 for the highest mountain.
        slope: rise over run.
        relief: whether the shape of the ground has a say.
    """
    labels = np.array([entry.label for entry in CLASSES], np.uint8)[classes]
    decided = classes == WATER
    for rule in _table()["relief"] if relief else ():
        fits = ~decided & (height >= rule.get("height_above", -np.inf)) & (height < rule.get("height_below", np.inf))
        fits &= (slope >= rule.get("slope_above", -np.inf)) & (slope < rule.get("slope_below", np.inf))
        if "class" in rule:
            fits &= classes == NAMES.index(rule["class"])
        labels[fits] = LABELS.index(rule["label"])
        decided |= fits
    return labels
