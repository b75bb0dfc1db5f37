"""Worlds: a fixed map that windows are cut from, or a plane without end that any window is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from maquette.annotations import Count, CountOrNone, Fraction, Positive, Range
from maquette.errors import ConfigError
from maquette.kernels.simplex_noise.lattice import MASK, lattice_hash
from maquette.landscapes import trees
from maquette.landscapes.cells import Cells, EndlessCells, FixedCells, jittered_sites, relaxed
from maquette.landscapes.classes import BIOMES, CLASSES, TREE, WATER, labels_of
from maquette.landscapes.relief import MAP_SIZE, REACH, Relief, relief
from maquette.landscapes.trees import TreeColumns, plant

_TREE_STREAM, _CHANCE_STREAM, _TREE_ROUNDS, _TREES_BELOW, _TREE_WEIGHT = 100, 400, 10, 0.5, 0.5
_CELL_SPACING = MAP_SIZE / 514**0.5  # as many endless cells to the area as the fixed map has


@dataclass(frozen=True)
class WorldConfig:
    """How worlds are made; the defaults are the paper's."""

    size: Count = 1024  # cells along a side of a window
    scale: Positive = 1.0  # of all lengths on the ground; at 1 a map has 2,048 cells to a side
    levels: Annotated[int, Range(2)] = 256  # height steps from the sea to the highest mountain; cells at scale 1
    tree_scale: Positive = 1.0  # of the tree models
    tree_density: Fraction = 1.0  # fraction of the trees that stand
    unbounded: bool = False  # whether windows may lie anywhere; otherwise they are cut from one map
    beyond: CountOrNone = 0  # cells that are seen on each side of a window, of an unbounded world
    relief: bool = False  # whether labels follow the shape of the ground: rock on steep slopes, snow high up
    relaxation: Annotated[int, Range(0, 1000)] = 100  # rounds that spread the cells of the fixed map

    @property
    def map_size(self) -> int:
        """Cells along a side of the fixed map."""
        return round(MAP_SIZE * self.scale)

    def cells_high(self, height: Float[np.ndarray, "x y"]) -> Float[np.ndarray, "x y"]:
        """Heights in [-1, 1] as whole levels, in cells; no ground lies at the level of the sea itself."""
        levels = np.round(height * (self.levels - 1))
        return np.where(height < 0, np.minimum(levels, -1), np.maximum(levels, 1)) * self.scale

    @property
    def highest(self) -> float:
        """Height of the highest mountain in cells."""
        return (self.levels - 1) * self.scale


@dataclass(frozen=True)
class Landscape:
    """One window of a world, seen from above; arrays are indexed [x, y], z points up, a cell is the unit of length.

    Attributes:
        height: of the ground at whole x and y, in cells over the sea; below 0 is under water.
        classes: index into CLASSES, trees included: what the scene encoder takes.
        labels: index into LABELS of the ground, which is without trees.
        tree_base, tree_bits: what stands on it, as `TreeColumns` has it.
        highest: height in cells that counts as 1.
        origin: x and y of the first cell in its world.
        margin: cells on each side that lie beyond the window; a generator encodes the window, and its positions run on
            into the margin as if mirrored at the window's border.
    """

    height: Float[Tensor, "x y"]
    classes: UInt8[Tensor, "x y"]
    labels: UInt8[Tensor, "x y"]
    tree_base: Int[Tensor, "x y"]
    tree_bits: Int[Tensor, "x y"]
    highest: float
    origin: tuple[int, int] = (0, 0)
    margin: int = 0

    @classmethod
    def of_arrays(
        cls,
        height: Float[np.ndarray, "x y"],
        classes: UInt8[np.ndarray, "x y"],
        labels: UInt8[np.ndarray, "x y"],
        standing: TreeColumns,
        highest: float,
        origin: tuple[int, int] = (0, 0),
    ) -> Landscape:
        """A landscape of numpy arrays, which are copied."""
        maps = (height.astype(np.float32), classes, labels, standing.base, standing.bits)
        ground, kinds, names, base, bits = (torch.from_numpy(np.array(each, order="C")) for each in maps)
        return cls(ground, kinds, names, base, bits, highest, origin)

    @property
    def size(self) -> tuple[int, int]:
        """Cells along x and y."""
        return self.height.shape[0], self.height.shape[1]

    @property
    def window_size(self) -> tuple[int, int]:
        """Cells along x and y of the window, without the margin."""
        return self.size[0] - 2 * self.margin, self.size[1] - 2 * self.margin

    @property
    def nbytes(self) -> int:
        """Memory of all maps; it grows with the square of the side, where voxels grow with the cube."""
        maps = (self.height, self.classes, self.labels, self.tree_base, self.tree_bits)
        return sum(each.numel() * each.element_size() for each in maps)

    def encoder_input(self) -> Float[Tensor, "12 x y"]:
        """Height of the window in [-1, 1], then the 11 classes one-hot."""
        scene = self.window()
        one_hot = torch.nn.functional.one_hot(scene.classes.long(), len(CLASSES)).movedim(-1, 0)
        return torch.cat([(scene.height / self.highest)[None], one_hot.to(self.height.dtype)])

    def window(self) -> Landscape:
        """The landscape without its margin."""
        if not self.margin:
            return self
        inner = slice(self.margin, -self.margin)
        origin = (self.origin[0] + self.margin, self.origin[1] + self.margin)
        maps = ("height", "classes", "labels", "tree_base", "tree_bits")
        return replace(
            self, origin=origin, margin=0, **{name: getattr(self, name)[inner, inner].contiguous() for name in maps}
        )

    def positions(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
        """Points in cells as positions in [0, 1]^3 over the window, mirrored at its border beyond it."""
        last = [size - 1.0 for size in self.window_size]
        unit = (points - torch.tensor([self.margin, self.margin, 0])) / torch.tensor([*last, self.highest])
        across, height = unit[..., :2], (unit[..., 2:] + 1) / 2
        if self.margin:
            across = 1 - (across.remainder(2) - 1).abs()
        return torch.cat([across, height], dim=-1)


class World:
    """A world by its seed.

    Args:
        seed: another seed is another world.
        config: how it is made.
    """

    def __init__(self, seed: int, config: WorldConfig) -> None:
        self.seed, self.config = seed, config

    def window(self, x: int = 0, y: int = 0) -> Landscape:
        """The window whose first cell is (x, y).

        Two windows of one world are equal where they overlap.

        Raises:
            ConfigError: the window, with what lies beyond it, leaves the map of a world that is not unbounded.
        """
        beyond = self.config.beyond
        scene = self._piece(x - beyond, y - beyond, self.config.size + 2 * beyond)
        return replace(scene, margin=beyond)

    def _piece(self, x: int, y: int, size: int) -> Landscape:
        if self.config.unbounded:
            margin = int(np.ceil(REACH * self.config.scale + trees.LARGEST * self.config.tree_scale)) + 2
            ground = self._ground(x - margin, y - margin, size + 2 * margin)
            columns, roots = self._standing(ground, *self._endless_trees(ground, x - margin, y - margin))
            return self._cut(ground, columns, roots, (margin, margin), size, (x, y))
        most = self.config.map_size - size
        if not (0 <= x <= most and 0 <= y <= most):
            raise ConfigError(
                f"a window of {size} cells at ({x}, {y}) leaves the map of {self.config.map_size}",
                hint=f"x and y lie between 0 and {most}, or take unbounded=true",
            )
        return self._cut(*self._map, (x, y), size, (x, y))

    @cached_property
    def _cells(self) -> Cells:
        scale = self.config.scale
        if self.config.unbounded:
            return EndlessCells(self.seed, _CELL_SPACING * scale, MAP_SIZE * scale / 2)
        return FixedCells(self.seed, self.config.map_size, rounds=self.config.relaxation)

    @cached_property
    def _map(self) -> tuple[Relief, TreeColumns, np.ndarray]:
        ground = self._ground(0, 0, self.config.map_size)
        return ground, *self._standing(ground, *self._fixed_trees(ground))

    def _ground(self, x: int, y: int, size: int) -> Relief:
        along = np.arange(size, dtype=float)
        return relief(x + along, y + along, self._cells, self.seed, self.config.scale)

    def _cells_high(self, ground: Relief) -> Float[np.ndarray, "x y"]:
        return self.config.cells_high(ground.height)

    def _endless_trees(self, ground: Relief, x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
        """Trunks on jittered grids, one for each biome, as dense as the biome's trees; relative to the ground."""
        corners = np.array([(x, y), (x + len(ground.height), y + len(ground.height))])
        positions, biomes = [], []
        for index, entry in enumerate(BIOMES):
            spacing = max(MAP_SIZE * self.config.scale / entry.trees**0.5, 1.0)
            low, high = np.floor(corners / spacing).astype(int)
            squares = np.stack(np.meshgrid(*map(np.arange, low, high + 1), indexing="ij"), axis=-1).reshape(-1, 2)
            chance = lattice_hash(squares[:, 0], squares[:, 1], self.seed, _CHANCE_STREAM + index) / (MASK + 1)
            squares = squares[chance < self.config.tree_density]
            sites = jittered_sites(squares, self.seed, _TREE_STREAM + index, jitter=0.5)
            positions.append(np.floor(sites * spacing).astype(int) - (x, y))
            biomes.append(np.full(len(sites), index))
        return np.concatenate(positions), np.concatenate(biomes)

    def _fixed_trees(self, ground: Relief) -> tuple[np.ndarray, np.ndarray]:
        """Trunks spread evenly over the map, as many for each biome as its trees."""
        random, size = np.random.default_rng(self.seed + _TREE_STREAM), self.config.map_size
        points = [random.uniform(0, size - 1, (round(entry.trees * self.config.tree_density), 2)) for entry in BIOMES]
        spread = [relaxed(each, size, min(_TREE_ROUNDS, self.config.relaxation)) for each in points]
        return np.concatenate(spread).astype(int), np.repeat(np.arange(len(BIOMES)), [len(each) for each in points])

    def _standing(
        self, ground: Relief, positions: np.ndarray, biomes: np.ndarray
    ) -> tuple[TreeColumns, Int[np.ndarray, "n 2"]]:
        """Those candidates that stand on land of their biome, not too high up, and the cells of their trunks."""
        inside = ((positions >= 0) & (positions < ground.height.shape)).all(axis=1)
        inside &= np.array([bool(entry.species) for entry in BIOMES])[biomes]
        at, biomes = positions[inside], biomes[inside]
        height = ground.height[at[:, 0], at[:, 1]]
        stands = (ground.biome_weights[biomes, at[:, 0], at[:, 1]] > _TREE_WEIGHT) & (height >= 0)
        stands &= (height < _TREES_BELOW) & (ground.classes[at[:, 0], at[:, 1]] != WATER)
        at, biomes, height = at[stands], biomes[stands], height[stands]
        # Of which of its biome's species a tree is follows from the height of its place, which knows no window.
        kinds = [[trees.NAMES.index(name) for name in entry.species] for entry in BIOMES]
        digits = (height * 1e6).astype(int)
        species = np.array(
            [kinds[biome][digit % len(kinds[biome])] for biome, digit in zip(biomes, digits, strict=True)], int
        )
        return plant(at, species, self._cells_high(ground), self.config.tree_scale), at

    def _cut(
        self, ground: Relief, columns: TreeColumns, roots: np.ndarray, first: tuple[int, int], size: int,
        origin: tuple[int, int],
    ) -> Landscape:  # fmt: skip
        cut = (slice(first[0], first[0] + size), slice(first[1], first[1] + size))
        height = self._cells_high(ground)
        slope = np.hypot(*np.gradient(height))[cut]
        classes = ground.classes.copy()
        labels = labels_of(classes[cut], ground.height[cut], slope, self.config.relief)
        classes[roots[:, 0], roots[:, 1]] = TREE
        standing = TreeColumns(columns.base[cut], columns.bits[cut])
        return Landscape.of_arrays(height[cut], classes[cut], labels, standing, self.config.highest, origin)
