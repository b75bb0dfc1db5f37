"""Extraction of a density field's surface as a closed triangle mesh."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes
from skimage.filters import threshold_otsu
from skimage.measure import marching_cubes
from torch import Tensor

from maquette.errors import RunError
from maquette.meshes.mesh import EmptySurface, Mesh

FAINT_DEPTH = 0.1  # optical depth across the half side below which a density is invisible
OPAQUE_DEPTH = 3.0  # optical depth of one voxel (95 % opaque) above which more density changes nothing
SOLID_DEPTH = 10.0  # optical depth across the half side that always counts as solid: a tenth of it is 63 % opaque
REFINEMENTS = 6  # bisection steps along the grid edge of a vertex

DensityFn = Callable[[Tensor], Tensor]


def extract_surface(
    density_fn: DensityFn,
    bound: float,
    resolution: int,
    threshold: float | Literal["auto"] | Callable[[np.ndarray], float] = "auto",
    gap: float = 0.0,
    chunk: int = 2**18,
) -> Mesh:
    """The level set density = threshold inside the cube [-bound, bound]^3, by marching cubes.

    Outside the cube the density counts as 0, so that an object that reaches the border is closed there by a flat cap.
    Each vertex is then moved along its grid edge onto the level set by bisection, since steep densities, far from
    linear between samples, would otherwise show the steps of the grid.

    Args:
        density_fn: points [n, 3] float32 on the CPU -> densities [n], on any device.
        bound: half side of the cube, in scene units.
        resolution: samples along each side.
        threshold: density of the surface; "auto" for `auto_threshold`; or a function of the samples [n, n, n], x first.
        gap: in scene units; cavities that open to the outside only through holes of a smaller radius count as solid.
        chunk: points per query.

    Returns:
        Vertices and faces, wound outward.

    Raises:
        RunError: a density is not finite.
        EmptySurface: none reaches the threshold.
    """
    axis = torch.linspace(-bound, bound, resolution)
    grid = sample_grid(density_fn, axis, chunk)
    if not np.isfinite(grid).all():
        percentage = 100 * (1 - np.isfinite(grid).mean())
        raise RunError(f"{percentage:.3g} % of the densities are not finite, so there is no surface to extract; "
                       "go back to an earlier checkpoint, or lower the learning rate")  # fmt: skip
    voxel = 2 * bound / (resolution - 1)
    level = _level(threshold, grid, bound, voxel)
    if level <= 0:
        raise RunError(f"the surface threshold must be positive, not {level:g}: densities outside the object are 0")
    if not grid.max() > level:
        raise EmptySurface(
            f"the surface is empty: the largest density on the {resolution}^3 grid is {grid.max():.4g}, which does not "
            f"reach the threshold {level:.4g}; give a lower one (threshold={grid.max() / 2:.2g}), or threshold=auto, "
            "and if renderings are empty too, train longer"
        )
    padded = np.pad(_fill_hollows(grid, level, math.ceil(gap / voxel)), 1)
    places, faces, _, _ = marching_cubes(padded, level=level, gradient_direction="ascent")
    places = _refine_vertices(places.astype(np.float64) - 1, density_fn, level, axis.numpy(), chunk)
    mesh = Mesh(np.clip(places * voxel - bound, -bound, bound), faces)
    return mesh if mesh.volume >= 0 else Mesh(mesh.vertices, mesh.faces[:, ::-1])  # scikit-image's order has changed


def _level(
    threshold: float | Literal["auto"] | Callable[[np.ndarray], float], grid: np.ndarray, bound: float, voxel: float
) -> float:
    if callable(threshold):
        return threshold(grid)
    return auto_threshold(grid, bound, voxel) if threshold == "auto" else float(threshold)


def auto_threshold(densities: np.ndarray, bound: float, voxel: float) -> float:
    """Half the typical density inside the object, where the edge of a blurred body lies; at most `SOLID_DEPTH / bound`.

    Densities are first clipped to what pictures can distinguish: below `FAINT_DEPTH / bound` nothing is visible, above
    `OPAQUE_DEPTH / voxel` a voxel is opaque. Otsu's method on their logarithm separates object and fog. Half the median
    of the object is the threshold, unless that would remove parts which are less dense than the rest but still solid.
    The mean of all occupied cells, as threestudio takes it, is pulled down by fog, which fills the most cells, and up
    by the invisible inside of the object, where densities are unbounded.

    Args:
        densities: samples of the field, any shape, non-negative.
        bound: half side of the cube they fill, in scene units.
        voxel: distance between samples, in scene units.

    Returns:
        The threshold; `FAINT_DEPTH / bound` when no density exceeds that.
    """
    faint, opaque = FAINT_DEPTH / bound, OPAQUE_DEPTH / voxel
    visible = np.clip(densities, faint, opaque)
    if not visible.max() > faint:
        return faint
    logs = np.log(visible)
    solid = visible[logs >= threshold_otsu(logs)]
    return float(min(np.median(solid) / 2, SOLID_DEPTH / bound))


def sample_grid(density_fn: DensityFn, axis: Tensor, chunk: int) -> np.ndarray:
    """Densities [n, n, n] (x first) on the grid spanned by `axis` [n], evaluated for `chunk` points at a time."""
    size = len(axis)
    values = np.empty(size**3, np.float32)
    for start in range(0, size**3, chunk):
        index = torch.arange(start, min(start + chunk, size**3))
        points = torch.stack([axis[index // size**2], axis[index // size % size], axis[index % size]], -1)
        values[start : start + len(index)] = _query_density(density_fn, points)
    return values.reshape(size, size, size)


def _fill_hollows(grid: np.ndarray, level: float, reach: int) -> np.ndarray:
    """Densities, raised to the largest one in cavities behind holes of a radius up to `reach` voxels."""
    if not reach:
        return grid
    grown = binary_dilation(np.pad(grid > level, reach), iterations=reach)
    filled = binary_fill_holes(grown)
    hollow = binary_erosion(filled, iterations=reach) & binary_dilation(filled & ~grown, iterations=reach)
    return np.where(hollow[reach:-reach, reach:-reach, reach:-reach], grid.max(), grid)


def _query_density(density_fn: DensityFn, points: Tensor) -> np.ndarray:
    with torch.no_grad():
        values = density_fn(points)
    if values.shape != points.shape[:1]:
        raise ValueError(f"density_fn must give one density per point, [{len(points)}], not {list(values.shape)}")
    return values.float().cpu().numpy()


def _refine_vertices(
    places: np.ndarray, density_fn: DensityFn, level: float, axis: np.ndarray, chunk: int
) -> np.ndarray:
    """Bisect each vertex that lies inside one grid edge between two samples; `places` [V, 3] are in voxels."""
    low, high = np.floor(places), np.ceil(places)
    on_edge = ((low != high).sum(1) == 1) & (low >= 0).all(1) & (high <= len(axis) - 1).all(1)
    low, high = low[on_edge], high[on_edge]
    if len(low) == 0:
        return places
    voxel, origin = axis[1] - axis[0], axis[0]

    def inside(at: np.ndarray) -> np.ndarray:
        points = torch.from_numpy((at * voxel + origin).astype(np.float32))
        return np.concatenate([_query_density(density_fn, part) for part in points.split(chunk)]) > level

    low_inside = inside(low)
    for _ in range(REFINEMENTS):
        middle = (low + high) / 2
        forward = (inside(middle) == low_inside)[:, None]
        low, high = np.where(forward, middle, low), np.where(forward, high, middle)
    refined = places.copy()
    refined[on_edge] = (low + high) / 2
    return refined
