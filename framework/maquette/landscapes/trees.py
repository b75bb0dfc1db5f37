"""Trees: small voxel models on the ground, kept as columns of bits over the map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

BITS = 62  # voxels of a column that fit into an int64 without its sign
LARGEST = 8.0  # cells from the trunk that the widest crown reaches, at scale 1

# Height, radius of the crown, height of the trunk below it, and the crown's shape, in voxels at scale 1.
SPECIES = {
    "conifer": (15.0, 4.0, 2.0, "cone"),
    "broadleaf": (12.0, 4.6, 4.0, "ellipsoid"),
    "palm": (12.0, 4.0, 9.0, "ellipsoid"),
    "bush": (4.0, 2.6, 0.0, "ellipsoid"),
}
NAMES = tuple(SPECIES)


@dataclass(frozen=True)
class TreeColumns:
    """What stands on the ground: bit k of a column is the voxel from base + k to base + k + 1.

    Attributes:
        base: height of bit 0, in cells.
        bits: voxels from there on, BITS at most; 0 where nothing stands.
    """

    base: Int[np.ndarray, "x y"]
    bits: Int[np.ndarray, "x y"]


def tree_model(species: str, scale: float) -> Bool[np.ndarray, "a b height"]:
    """Voxels of a tree, the trunk in the middle; at least one cell wide and two high.

    Example:
        >>> tree_model("conifer", 0.25).shape, tree_model("conifer", 1.0).shape
        ((3, 3, 4), (9, 9, 15))
    """
    height, radius, trunk, shape = SPECIES[species]
    top, radius = max(round(height * scale), 2), max(radius * scale, 0.5)
    trunk = min(round(trunk * scale), top - 1)
    reach = int(np.ceil(radius - 0.5))
    x, y, z = np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, np.arange(top), indexing="ij")
    along = (z - trunk + 0.5) / (top - trunk)
    profile = 1 - along if shape == "cone" else np.sqrt((1 - (2 * along - 1) ** 2).clip(0))
    crown = (along > 0) & (x**2 + y**2 <= (radius * profile + 0.3) ** 2)
    return crown | ((x == 0) & (y == 0))


def plant(
    positions: Int[np.ndarray, "n 2"], species: Int[np.ndarray, " n"], ground: Float[np.ndarray, "x y"], scale: float
) -> TreeColumns:
    """Stand trees on the ground.

    Args:
        positions: cell of each trunk; crowns are cut off at the edge of the map.
        species: index into NAMES.
        ground: height of the ground in cells.
        scale: of the models.
    """
    base, bits = np.zeros(ground.shape, np.int64), np.zeros(ground.shape, np.int64)
    for kind, name in enumerate(NAMES):
        roots = np.unique(positions[species == kind], axis=0)
        model = tree_model(name, scale)
        reach = model.shape[0] // 2
        words = (model[..., :BITS] << np.arange(min(model.shape[2], BITS))).sum(axis=-1)
        foot = np.floor(ground[roots[:, 0], roots[:, 1]]).astype(np.int64)
        for x, y in np.argwhere(words):
            at = roots + np.array([x - reach, y - reach])
            inside = ((at >= 0) & (at < ground.shape)).all(axis=1)
            _add(base, bits, tuple(at[inside].T), foot[inside], words[x, y])
    return TreeColumns(base, bits)


def _add(base: np.ndarray, bits: np.ndarray, at: tuple[np.ndarray, ...], foot: np.ndarray, word: int) -> None:
    """Add a column of voxels to those at some cells, each cell once; voxels that do not fit are left out."""
    lowest = np.where(bits[at] == 0, foot, np.minimum(base[at], foot))
    bits[at] = _raised(bits[at], base[at] - lowest) | _raised(np.full_like(foot, word), foot - lowest)
    base[at] = lowest


def _raised(word: np.ndarray, steps: np.ndarray) -> np.ndarray:
    steps = np.where(word == 0, 0, steps)
    return np.where(steps < BITS, (word << np.minimum(steps, BITS - 1)) & ((1 << BITS) - 1), 0)
