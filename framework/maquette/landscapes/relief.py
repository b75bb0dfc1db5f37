"""Heights of the ground: noise, shaped by each biome's curve, cut by rivers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.ndimage import binary_dilation, gaussian_filter, maximum_filter, minimum_filter

from maquette.landscapes.cells import Cells
from maquette.landscapes.classes import BIOMES, WATER
from maquette.landscapes.noise import noise_map

# Lengths in cells of the ground at scale 1, in a map of 2,048 cells.
MAP_SIZE = 2048
_HEIGHT_PERIOD, _HEIGHT_OCTAVES = MAP_SIZE / 4, 6
_BORDER_PERIOD, _BORDER_OCTAVES, _BORDER_SHIFT = MAP_SIZE / 32, 8, 8.0
_BIOME_BLUR, _COAST, _RIVER_BLUR, _RIVER_WIDTH = 16.0, 32, 2.0, 8
_BIOME_BORDER, _CELL_BORDER = 5, 2
_RIVER_DEPTH, _RIVERS_BELOW, _BROOKS_BELOW = 0.05, 0.5, 0.05
_BORDER_SEEDS, _RIVER_SEED = (200, 250), 4353
REACH = 4 * _BIOME_BLUR + _COAST + _RIVER_WIDTH + 4 * _RIVER_BLUR + _BIOME_BORDER  # what a cell depends on, at scale 1


@dataclass(frozen=True)
class Relief:
    """The ground of a piece of the plane.

    Attributes:
        height: over the sea, in [-1, 1]; below 0 is under water.
        classes: index into CLASSES: biomes, and water.
        biome_weights: of each biome, in [0, 1], blurred; 0 far from land.
    """

    height: Float[np.ndarray, "x y"]
    classes: UInt8[np.ndarray, "x y"]
    biome_weights: Float[np.ndarray, "biomes x y"]


def relief(x: Float[np.ndarray, " nx"], y: Float[np.ndarray, " ny"], cells: Cells, seed: int, scale: float) -> Relief:
    """Heights and classes at the grid of all x and y, consecutive whole numbers each.

    What lies nearer to the edge of the grid than REACH * scale may depend on where the edge is.

    Source: Chen et al. 2023 (SceneDreamer, arXiv 2302.01330), sec. 3.1, with the authors' numbers.
    """
    shape = (len(x), len(y))
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    shifts = [
        noise_map(x, y, _BORDER_PERIOD * scale, seed + offset, _BORDER_OCTAVES).ravel() for offset in _BORDER_SEEDS
    ]
    owner, biome = (part.reshape(shape) for part in cells.at(grid + _BORDER_SHIFT * scale * np.stack(shifts, axis=1)))
    detailed = noise_map(x, y, _HEIGHT_PERIOD * scale, seed, _HEIGHT_OCTAVES)
    smooth = noise_map(x, y, _HEIGHT_PERIOD * scale, seed)
    land = detailed > 0
    weights = _biome_weights(biome, land, scale)
    height = detailed.copy()
    for index, entry in enumerate(BIOMES):
        height += weights[index] * (shaped(detailed, smooth, entry.curve) - height)
    rivers = _rivers(owner, biome, height, land, scale)
    rivers &= noise_map(x, y, _HEIGHT_PERIOD * scale, seed + _RIVER_SEED, _HEIGHT_OCTAVES) > 0
    bed = gaussian_filter(rivers.astype(float), _RIVER_BLUR * scale) * _dilated(rivers, _RIVER_WIDTH * scale)
    height = height * (1 - bed) - _RIVER_DEPTH * rivers
    return Relief(height, np.where(height < 0, WATER, biome).astype(np.uint8), weights)


def _biome_weights(biome: UInt8[np.ndarray, "x y"], land: Bool[np.ndarray, "x y"], scale: float) -> np.ndarray:
    coast = gaussian_filter(_dilated(land, _COAST * scale).astype(np.float32), _BIOME_BLUR * scale)
    masks = [(biome == index).astype(np.float32) for index in range(len(BIOMES))]
    return np.stack([gaussian_filter(mask, _BIOME_BLUR * scale) if mask.any() else mask for mask in masks]) * coast


def _dilated(mask: Bool[np.ndarray, "x y"], cells: float) -> Bool[np.ndarray, "x y"]:
    return binary_dilation(mask, iterations=max(round(cells), 1))


def _rivers(
    owner: Int[np.ndarray, "x y"],
    biome: UInt8[np.ndarray, "x y"],
    height: Float[np.ndarray, "x y"],
    land: Bool[np.ndarray, "x y"],
    scale: float,
) -> Bool[np.ndarray, "x y"]:
    """Beds along borders of biomes, and low down along those of cells."""
    _, owner = np.unique(owner, return_inverse=True)  # small numbers, as the filters are exact for
    along_biomes = _borders(biome, _BIOME_BORDER * scale) & (height < _RIVERS_BELOW)
    along_cells = _borders(owner.reshape(height.shape).astype(np.int32), _CELL_BORDER * scale) & (
        height < _BROOKS_BELOW
    )
    return (along_biomes | along_cells) & land


def _borders(numbers: np.ndarray, reach: float) -> Bool[np.ndarray, "x y"]:
    side = 2 * max(round(reach), 1) + 1
    return maximum_filter(numbers, side) != minimum_filter(numbers, side)


def shaped(
    detailed: Float[np.ndarray, "x y"], smooth: Float[np.ndarray, "x y"], curve: tuple[float, ...]
) -> Float[np.ndarray, "x y"]:
    """Heights of one biome: a mix of both noises, clipped to [0, 1] and sent through a Bezier curve."""
    return np.interp((curve[5] * detailed + (1 - curve[5]) * smooth).clip(0, 1), *_bezier(curve[:5]))


@cache
def _bezier(curve: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """256 points of the cubic from (0, 0) by (x1, y1) and (x2, y2) to (1, end)."""
    x1, y1, x2, y2, end = curve
    t = np.linspace(0, 1, 256)
    first, second, third = 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
    return first * x1 + second * x2 + third, first * y1 + second * y2 + third * end
