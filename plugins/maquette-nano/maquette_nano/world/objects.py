"""Nano objects: their geometry and words, and random sampling of objects from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import prange
from numpy.typing import NDArray

from maquette.kernels.numba_support import cached
from maquette_nano.world import primitives as P
from maquette_nano.world.builder import Builder
from maquette_nano.world.captions import SPLITS, caption, split_of
from maquette_nano.world.categories import CATEGORIES
from maquette_nano.world.colors import COLORS, FIXED, PATTERNS

BOUND = 0.8
"""Every object fits a sphere of this radius about the origin, and touches it."""


@dataclass(frozen=True)
class NanoObject:
    """One object: the words of its caption and its exact geometry.

    Args:
        category, body, detail, pattern: the words of its caption.
        table: [P, 21] primitives, see `primitives`.
        period: spacing of the pattern in scene units.
    """

    category: str
    body: str
    detail: str
    pattern: str
    table: NDArray[np.float32]
    period: float
    bound: float = BOUND

    @cached_property
    def palette(self) -> NDArray[np.float32]:
        """Colour slots -> RGB, [6, 3]."""
        return np.array([COLORS[self.body], COLORS[self.detail], *FIXED.values()], np.float32)

    @property
    def pattern_code(self) -> int:
        """0 plain, 1 stripes, 2 dots."""
        return PATTERNS.index(self.pattern)

    def caption(self, name_detail: bool = False) -> str:
        """The caption of the object."""
        return caption(self.category, self.body, self.detail, self.pattern, name_detail)

    def sdf(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Signed distance [n] at `points` [n, 3]; negative inside."""
        return _distances(self.table, np.ascontiguousarray(points, np.float32))

    def albedo(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unlit RGB [n, 3] of the surface nearest to `points` [n, 3]."""
        from maquette_nano.world.tracer import surface_slots

        points = np.ascontiguousarray(points, np.float32)
        return self.palette[surface_slots(self.table, self.pattern_code, self.period, points)]


@cached(fastmath=True, parallel=True)
def _distances(table: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    result = np.empty(points.shape[0], np.float32)
    for i in prange(points.shape[0]):
        result[i] = P.distance(table, points[i, 0], points[i, 1], points[i, 2])
    return result


def _normalised(table: NDArray[np.float64]) -> tuple[NDArray[np.float32], float]:
    """Centre the object's solid and scale it so that it touches the sphere of radius BOUND; returns the scale too."""
    solid = table[table[:, P.OPERATION] == P.UNION]
    reach = 1.8
    axis = np.linspace(-reach, reach, 49, dtype=np.float32)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    inside = points[_distances(table.astype(np.float32), points) < float(axis[1] - axis[0]) * 0.5]
    if len(inside) == 0:
        raise ValueError("an object without volume")
    del solid
    centre = (inside.min(0) + inside.max(0)) / 2
    scale = BOUND / float(np.linalg.norm(inside - centre, axis=1).max())
    result = table.copy()
    result[:, P.CENTRE : P.CENTRE + 3] = (result[:, P.CENTRE : P.CENTRE + 3] - centre) * scale
    result[:, P.SIZE : P.SIZE + 4] *= scale
    result[:, P.BLEND : P.BOUNDING_RADIUS + 1] *= scale
    return result.astype(np.float32), scale


def make_object(category: str, body: str, detail: str, pattern: str, seed: int) -> NanoObject:
    """An object of named category, colours and pattern, with random proportions from `seed`."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, list(CATEGORIES).index(category)])))
    builder = Builder()
    CATEGORIES[category].build(builder, rng)
    table, _ = _normalised(builder.table())
    period = float(rng.uniform(0.2, 0.28)) if pattern == "stripes" else float(rng.uniform(0.2, 0.26))
    return NanoObject(category, body, detail, pattern, table, period)


def sample_object(seed: int, split: str) -> NanoObject:
    """The object number `seed` of a split; a function of its two arguments.

    Args:
        seed: any non-negative integer.
        split: "train", "validation" or "test"; each has its own (category, body colour) pairs and random stream.
    """
    return make_object(*sample_attributes(seed, split))


def sample_attributes(seed: int, split: str) -> tuple[str, str, str, str, int]:
    """What `make_object` makes the object number `seed` of a split from: cheap where few of many are wanted.

    Args:
        seed, split: as `sample_object` takes them.

    Returns:
        Category, body colour, detail colour, pattern, and the seed of the proportions.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, SPLITS.index(split), 20_304])))
    category = list(CATEGORIES)[int(rng.integers(len(CATEGORIES)))]
    body = str(rng.choice([color for color in COLORS if split_of(category, color) == split]))
    detail = str(rng.choice([color for color in COLORS if color != body]))
    pattern = str(rng.choice(PATTERNS, p=[0.6, 0.2, 0.2]))
    return category, body, detail, pattern, int(rng.integers(2**31))
