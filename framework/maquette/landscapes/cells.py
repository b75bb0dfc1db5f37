"""Cells of one climate each: relaxed Voronoi cells of a fixed map, or those of a jittered grid that has no end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.spatial import Voronoi, cKDTree

from maquette.kernels.simplex_noise.lattice import MASK, lattice_hash
from maquette.landscapes.classes import biomes_of
from maquette.landscapes.noise import equalised, noise_at, noise_map

_JITTER = 0.3  # of a square's side to each side of its middle; up to 0.32, the nearest site is in the 3 x 3 around
_TEMPERATURE, _PRECIPITATION = 10, 20  # offsets of their seeds


class Cells(Protocol):
    """Divides the plane into cells of one biome each."""

    def at(self, positions: Float[np.ndarray, "n 2"]) -> tuple[Int[np.ndarray, " n"], UInt8[np.ndarray, " n"]]:
        """Number and biome of the cell at each position."""


def relaxed(points: Float[np.ndarray, "n 2"], size: float, rounds: int) -> Float[np.ndarray, "n 2"]:
    """Points of a square spread evenly: each moves to the mean of the corners of its Voronoi cell, `rounds` times.

    Four points outside the square close the outer cells.

    Source: Lloyd 1982, "Least squares quantization in PCM", as Chen et al. 2023 (SceneDreamer) use it.

    Example:
        >>> points = relaxed(np.random.default_rng(0).uniform(0, 100, (50, 2)), 100, 20)
        >>> points.shape, bool((points >= 0).all() and (points <= 100).all())
        ((50, 2), True)
    """
    far = size * np.array([[-1, -1], [-1, 2], [2, -1], [2, 2]])
    for _ in range(rounds):
        diagram = Voronoi(np.concatenate([points, far]))
        regions = [diagram.regions[region] for region in diagram.point_region[: len(points)]]
        corners = np.concatenate(regions)
        owner = np.repeat(np.arange(len(points)), [len(region) for region in regions])
        sums = [np.bincount(owner, diagram.vertices[corners, axis], len(points)) for axis in (0, 1)]
        points = (np.stack(sums, axis=1) / np.bincount(owner)[:, None]).clip(0, size)
    return points


@dataclass(frozen=True)
class FixedCells:
    """Relaxed Voronoi cells of a square map; temperature and precipitation are averaged over each.

    Args:
        seed: of the points and the climate.
        size: side of the map, in cells of the ground.
        count: number of points.
        rounds: of the relaxation.
    """

    seed: int
    size: int
    count: int = 514
    rounds: int = 100

    @cached_property
    def _tree(self) -> cKDTree:
        points = np.random.default_rng(self.seed).integers(0, self.size, (self.count, 2)).astype(float)
        points += np.random.default_rng(self.seed + 1).uniform(0, 0.5, points.shape)  # no two on one place
        return cKDTree(relaxed(points, self.size, self.rounds))

    @cached_property
    def _biomes(self) -> UInt8[np.ndarray, " cells"]:
        side = np.arange(0, self.size, max(self.size // 512, 1), dtype=float)
        owner = self._tree.query(np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2))[1]
        means = []
        for offset in (_TEMPERATURE, _PRECIPITATION):
            noise = noise_map(side, side, self.size / 2, self.seed + offset).ravel()
            values = equalised(noise, np.sort(noise))
            counts = np.bincount(owner, minlength=self.count)
            means.append(np.bincount(owner, values, self.count) / counts.clip(1))
        return biomes_of(*means)

    def at(self, positions: Float[np.ndarray, "n 2"]) -> tuple[Int[np.ndarray, " n"], UInt8[np.ndarray, " n"]]:
        """Number and biome of the cell at each position; positions outside the map count as on its edge."""
        owner = self._tree.query(positions.clip(0, self.size - 1), workers=-1)[1]
        return owner, self._biomes[owner]


@dataclass(frozen=True)
class EndlessCells:
    """Voronoi cells of one random site in each square of a grid: what a place belongs to depends on nothing far away.

    The climate is that of the cell's site, made uniform by the known distribution of the noise.

    Args:
        seed: of the sites and the climate.
        spacing: side of a square, in cells of the ground.
        period: over which the climate changes, likewise.
    """

    seed: int
    spacing: float
    period: float

    def at(self, positions: Float[np.ndarray, "n 2"]) -> tuple[Int[np.ndarray, " n"], UInt8[np.ndarray, " n"]]:
        """Number and biome of the cell at each position."""
        squares = np.floor(positions / self.spacing).astype(np.int64)
        nearest, best = np.zeros_like(squares), np.full(len(positions), np.inf)
        for step in np.ndindex(3, 3):
            square = squares + np.array(step) - 1
            away = (jittered_sites(square, self.seed, 0) * self.spacing - positions) ** 2
            distance = away.sum(axis=1)
            nearer = distance < best
            nearest[nearer], best[nearer] = square[nearer], distance[nearer]
        # Numbers of squares are unique within 2^31 squares of the origin.
        numbers, first, inverse = np.unique(
            (nearest[:, 0] << 32) ^ (nearest[:, 1] & MASK), return_index=True, return_inverse=True
        )
        sites = jittered_sites(nearest[first], self.seed, 0) * self.spacing
        climate = (
            equalised(noise_at(sites, self.period, self.seed + offset)) for offset in (_TEMPERATURE, _PRECIPITATION)
        )
        return numbers[inverse], biomes_of(*climate)[inverse]


def jittered_sites(
    squares: Int[np.ndarray, "n 2"], seed: int, stream: int, jitter: float = _JITTER
) -> Float[np.ndarray, "n 2"]:
    """One random position in each unit square, within `jitter` of its middle along both axes.

    `stream` gives other positions for the same seed.
    """
    hashed = [lattice_hash(squares[:, 0], squares[:, 1], seed, 2 * stream + axis) / (MASK + 1) for axis in (0, 1)]
    return squares + 0.5 + jitter * (2 * np.stack(hashed, axis=1) - 1)
