"""The shape of a multiresolution hash grid: what the levels are and where each one lies in the table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

# Multipliers of the y and z coordinates in the spatial hash; x is taken as it is (Müller et al. 2022, eq. 4).
HASH_PRIMES = (2_654_435_761, 805_459_861)


@dataclass(frozen=True)
class HashGridSpec:
    """A multiresolution hash grid over the unit cube.

    Level l has N_l = floor(N_min b^l) cells along each axis, b = (N_max / N_min)^(1 / (L - 1)), hence (N_l + 1)^3
    vertices. Where they fit into T = 2^log2_table_size rows, each vertex has a row of its own (the level is dense, x
    runs fastest); otherwise vertex (x, y, z) shares row (x xor y pi_2 xor z pi_3) mod T.

    Source: Müller et al. 2022 (instant-NGP, arXiv 2201.05989), sec. 3, eqs. 2 to 4.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> spec = HashGridSpec(levels=4, log2_table_size=12, base_resolution=4, finest_resolution=32)
        >>> spec.resolutions, spec.dense
        ((4, 8, 16, 32), (True, True, False, False))
        >>> spec.rows, spec.channels
        (9046, 8)
    """

    levels: int = 16  # L
    features_per_level: int = 2  # F
    log2_table_size: int = 19  # log2 T, rows of a hashed level
    base_resolution: int = 16  # N_min, cells along an axis
    finest_resolution: int = 2048  # N_max

    def __post_init__(self) -> None:
        ranges = {
            "levels": (1, 64),
            "features_per_level": (1, 32),
            "log2_table_size": (1, 30),
            "base_resolution": (1, 2**20),
            "finest_resolution": (self.base_resolution, 2**20),  # cells stay exact in float32 and hashes in int64
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"HashGridSpec.{name} is {getattr(self, name)}; it lies between {low} and {high}")

    @property
    def growth(self) -> float:
        """b, the ratio of two consecutive resolutions."""
        return (self.finest_resolution / self.base_resolution) ** (1 / max(self.levels - 1, 1))

    @property
    def table_size(self) -> int:
        """T, the rows of a hashed level."""
        return 2**self.log2_table_size

    @property
    def channels(self) -> int:
        """L F, the length of an encoding."""
        return self.levels * self.features_per_level

    @cached_property
    def resolutions(self) -> tuple[int, ...]:
        """N_l for each level; the tolerance makes the last one N_max in spite of rounding."""
        return tuple(math.floor(self.base_resolution * self.growth**level + 1e-6) for level in range(self.levels))

    @cached_property
    def dense(self) -> tuple[bool, ...]:
        """For each level, whether every vertex has a row of its own."""
        return tuple((resolution + 1) ** 3 <= self.table_size for resolution in self.resolutions)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """First row of each level, and the number of all rows as the last entry; [L + 1]."""
        offsets = [0]
        for resolution, dense in zip(self.resolutions, self.dense, strict=True):
            offsets.append(offsets[-1] + ((resolution + 1) ** 3 if dense else self.table_size))
        return tuple(offsets)

    @property
    def rows(self) -> int:
        """Rows of the table over all levels."""
        return self.offsets[-1]

    @cached_property
    def strides(self) -> tuple[tuple[int, int], ...]:
        """For each level, what y and z are multiplied by: the strides of a dense level, the primes of a hashed one."""
        return tuple(
            (resolution + 1, (resolution + 1) ** 2) if dense else HASH_PRIMES
            for resolution, dense in zip(self.resolutions, self.dense, strict=True)
        )
