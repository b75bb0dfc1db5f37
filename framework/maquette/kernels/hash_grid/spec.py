"""The shape of a multiresolution hash grid: what the levels are and where each one lies in the table."""

from __future__ import annotations

import itertools
import math
import operator
from dataclasses import dataclass
from functools import cached_property

# Multipliers of the second and later coordinates in the spatial hash; the first is taken as it is (Müller et al. 2022,
# eq. 4, has the first two; the others are those of the authors' code, which SceneDreamer's five dimensions use too).
HASH_PRIMES = (2_654_435_761, 805_459_861, 3_674_653_429, 2_097_192_037)


@dataclass(frozen=True)
class HashGridSpec:
    """A multiresolution hash grid over the unit cube of 2 to 5 dimensions.

    Level l has N_l = floor(N_min b^l) cells along an axis, b = (N_max / N_min)^(1 / (L - 1)), hence prod (N_l + 1)
    vertices. Where they fit into T = 2^log2_table_size rows, each vertex has a row of its own (the level is dense, x
    runs fastest); otherwise vertex (x, y, z, ...) shares row (x xor y pi_2 xor z pi_3 xor ...) mod T.

    Resolutions are one number for all axes, or one for each: position and scene code (Chen et al. 2023, SceneDreamer,
    arXiv 2302.01330, sec. 3.2) may be cut more and less finely.

    Source: Müller et al. 2022 (instant-NGP, arXiv 2201.05989), sec. 3, eqs. 2 to 4.

    Raises:
        ValueError: a number is out of its range, or resolutions do not have one number for each dimension.

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
    base_resolution: int | tuple[int, ...] = 16  # N_min, cells along an axis
    finest_resolution: int | tuple[int, ...] = 2048  # N_max
    dimensions: int = 3  # coordinates of a point

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[int, int]] = {
            "levels": (1, 64),
            "features_per_level": (1, 32),
            "log2_table_size": (1, 30),
            "dimensions": (2, 5),
        }
        for name, (low, high) in ranges.items():
            _check(name, getattr(self, name), low, high)
        for name in ("base_resolution", "finest_resolution"):
            numbers = getattr(self, name)
            if isinstance(numbers, tuple) and len(numbers) != self.dimensions:
                raise ValueError(
                    f"HashGridSpec.{name} has {len(numbers)} numbers; one for each of {self.dimensions} dimensions"
                )
        for base, finest in zip(
            self._per_axis(self.base_resolution), self._per_axis(self.finest_resolution), strict=True
        ):
            _check("base_resolution", base, 1, 2**20)
            _check("finest_resolution", finest, base, 2**20)  # cells stay exact in float32 and hashes in int64

    def _per_axis(self, resolution: int | tuple[int, ...]) -> tuple[int, ...]:
        return resolution if isinstance(resolution, tuple) else (resolution,) * self.dimensions

    @property
    def growth(self) -> float:
        """b, the ratio of two consecutive resolutions along the first axis."""
        return self._growths[0]

    @property
    def _growths(self) -> tuple[float, ...]:
        axes = zip(self._per_axis(self.base_resolution), self._per_axis(self.finest_resolution), strict=True)
        return tuple((finest / base) ** (1 / max(self.levels - 1, 1)) for base, finest in axes)

    @property
    def table_size(self) -> int:
        """T, the rows of a hashed level."""
        return 2**self.log2_table_size

    @property
    def channels(self) -> int:
        """L F, the length of an encoding."""
        return self.levels * self.features_per_level

    @cached_property
    def cells(self) -> tuple[tuple[int, ...], ...]:
        """N_l along each axis for each level [L][D]; the tolerance makes the last one N_max in spite of rounding."""
        axes = list(zip(self._per_axis(self.base_resolution), self._growths, strict=True))
        return tuple(
            tuple(math.floor(base * growth**level + 1e-6) for base, growth in axes) for level in range(self.levels)
        )

    @property
    def resolutions(self) -> tuple[int, ...]:
        """N_l along the first axis for each level."""
        return tuple(cells[0] for cells in self.cells)

    @cached_property
    def _vertices(self) -> tuple[int, ...]:
        return tuple(math.prod(along + 1 for along in cells) for cells in self.cells)

    @cached_property
    def dense(self) -> tuple[bool, ...]:
        """For each level, whether every vertex has a row of its own."""
        return tuple(vertices <= self.table_size for vertices in self._vertices)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """First row of each level, and the number of all rows as the last entry; [L + 1]."""
        return (0, *itertools.accumulate(min(vertices, self.table_size) for vertices in self._vertices))

    @property
    def rows(self) -> int:
        """Rows of the table over all levels."""
        return self.offsets[-1]

    @cached_property
    def strides(self) -> tuple[tuple[int, ...], ...]:
        """For each level, what the second and later coordinates are multiplied by: the strides of a dense level, the
        primes of a hashed one; [L][D - 1]."""
        return tuple(
            tuple(itertools.accumulate((along + 1 for along in cells[:-1]), operator.mul))
            if dense
            else HASH_PRIMES[: self.dimensions - 1]
            for cells, dense in zip(self.cells, self.dense, strict=True)
        )


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"HashGridSpec.{name} is {value}; it lies between {low} and {high}")
