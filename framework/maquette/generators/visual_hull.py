"""The visual hull of posed pictures: what all silhouettes have in common, as signed distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import NonNegative, Positive, Samples
from maquette.cameras.base import Cameras
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError
from maquette.generators.base import DistanceGrid, Generator
from maquette.images.picture import Picture
from maquette.kernels.marching_cubes import marching_cubes
from maquette.kernels.rasterise import interpolate, rasterise
from maquette.meshes.level_sets import signed_distances
from maquette.priors.base import Request
from maquette.randomness import Draws
from maquette.registry import register

COARSE_SAMPLES = 33  # along each side of the cube, to find the box of the object
PADDING = 8  # pixels around a picture in which distances to the silhouette are known exactly
BASE_SIZE = 128  # side in pixels of the views in which the lowest visible point is looked for
BASE_QUANTILE = 0.002  # fraction of the visible points that may lie below it
NEAR, FAR = 0.01, 100.0  # of the cameras, scene units


@register("generator", "visual-hull")
class VisualHull(Generator):
    """The largest body whose silhouettes are the pictures' mattes, cut off below the lowest point that a view shows.

    A point's distance to the hull is the largest of its distances to the silhouettes: in pixels, exact to a fraction of
    one where alpha passes 1/2, times depth / focal length. Seen from above only, the underside of a hull is a cone; the
    cut makes it flat, and does nothing where cameras look from below.

    Source: Laurentini 1994, "The visual hull concept for silhouette-based image understanding".
    """

    @dataclass(frozen=True)
    class Config:
        resolution: Samples = 80  # cells along the longest side of the object's box
        bound: Positive = 1.0  # half side of the cube that holds the object, scene units
        margin: NonNegative = 0.06  # of the grid around the object's box, scene units
        widen: NonNegative = 0.0  # pixels by which silhouettes are widened; 0.7 for views that contradict each other
        base_cut: bool = True  # cut off what lies below all that is visible

    def __init__(self, config: Config) -> None:
        self.config = config

    def generate(self, request: Request, views: PosedImages | None, draws: Draws) -> DistanceGrid:
        if views is None or not len(views):
            raise ConfigError("a visual hull needs pictures of the object, and there are none", key="start")
        return visual_hull(views, self.config)


@torch.no_grad()
def visual_hull(views: PosedImages, config: VisualHull.Config) -> DistanceGrid:
    """The hull of mattes; on the views' device.

    Raises:
        ConfigError: the silhouettes have nothing in common.
    """
    silhouettes = Silhouettes(views.picture, views.cameras, config.widen)
    low, cell, size = _object_box(silhouettes, config)
    points = grid_points(low, cell, size).to(views.device)
    hull = DistanceGrid(silhouettes.distances(points).reshape(size), low, cell)
    if not (hull.distances < 0).any():
        raise _nothing_in_common()
    return cut_base(hull, views.cameras) if config.base_cut else hull


class Silhouettes:
    """Signed distances to the silhouettes of pictures, in pixels, and of points to the body that they bound."""

    def __init__(self, picture: Picture, cameras: Cameras, widen: float = 0.0) -> None:
        alpha = functional.pad(picture.alpha[..., 0], (PADDING,) * 4).cpu().numpy()
        maps = np.stack([signed_distances(0.5 - one) for one in alpha])
        self.maps = torch.from_numpy(maps).to(picture.alpha.device) - widen
        self.cameras = cameras

    def distances(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Distances to the body, scene units; points behind a camera are outside."""
        result = points.new_full((len(points),), -FAR)
        size = torch.tensor([self.cameras.width, self.cameras.height]).to(points)
        scale = torch.tensor([1, -1]).to(points) * size / (size + 2 * PADDING)  # to a padded picture, -1 to 1
        for i in range(len(self.cameras)):
            clip = self.cameras[i : i + 1].clip_positions(points, NEAR, FAR)[0]
            depth = clip[:, 3]
            place = clip[:, :2] / depth.clamp(min=NEAR)[:, None] * scale
            distances = functional.grid_sample(
                self.maps[i, None, None], place[None, None], align_corners=False, padding_mode="border"
            )[0, 0, 0]
            if float(place.abs().max()) > 1:
                distances += ((place.abs() - 1).clamp(min=0) * (size / 2 + PADDING)).norm(dim=-1)
            distances *= depth / self.cameras.focal[i]
            result = torch.maximum(result, distances.where(depth > NEAR, FAR))
        return result


def cut_base(grid: DistanceGrid, cameras: Cameras) -> DistanceGrid:
    """The body without what lies below the lowest point that a camera sees."""
    vertices, triangles = marching_cubes(grid.distances, grid.low, grid.cell)
    if not len(triangles):
        return grid
    clip = cameras.clip_positions(vertices, NEAR, FAR)
    raster = rasterise(clip, triangles, BASE_SIZE, BASE_SIZE)
    height = interpolate(vertices[:, 2:], raster, triangles)[raster.covered][:, 0]
    if not len(height):
        return grid
    lowest = height.quantile(BASE_QUANTILE)
    z = grid.low[2] + grid.cell * torch.arange(grid.distances.shape[2], device=height.device)
    return DistanceGrid(torch.maximum(grid.distances, lowest - z), grid.low, grid.cell, grid.colors)


def grid_points(low: tuple[float, float, float], cell: float, size: tuple[int, int, int]) -> Float[Tensor, "n 3"]:
    """Points of a grid, x first and z fastest."""
    return torch.cartesian_prod(*(start + cell * torch.arange(count) for start, count in zip(low, size, strict=True)))


def _object_box(
    silhouettes: Silhouettes, config: VisualHull.Config
) -> tuple[tuple[float, float, float], float, tuple[int, int, int]]:
    """Low corner, cell and size of the grid over the object's box."""
    step = 2 * config.bound / (COARSE_SAMPLES - 1)
    points = grid_points((-config.bound,) * 3, step, (COARSE_SAMPLES,) * 3).to(silhouettes.maps.device)
    inside = points[silhouettes.distances(points) < step]
    if not len(inside):
        raise _nothing_in_common()
    low, high = inside.amin(0) - config.margin, inside.amax(0) + config.margin
    cell = float((high - low).max()) / config.resolution
    x, y, z = ((high - low) / cell).ceil().int().tolist()
    return (float(low[0]), float(low[1]), float(low[2])), cell, (x + 1, y + 1, z + 1)


def _nothing_in_common() -> ConfigError:
    return ConfigError(
        "the silhouettes of the views have no volume in common",
        key="views",
        hint="look at their mattes and cameras: each picture shows the object, in alpha, from its own camera",
    )
