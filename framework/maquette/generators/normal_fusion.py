"""A shape from estimated normals: integrated to depth in each view, fused within the visual hull."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional

from maquette.annotations import NonNegative, Pixels, Positive, WeightsPath
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError
from maquette.generators._integration import integrate_normals
from maquette.generators.base import DistanceGrid, Generator
from maquette.generators.visual_hull import FAR, NEAR, VisualHull, grid_points, visual_hull
from maquette.geometry.sdf_voxels import thin_parts
from maquette.kernels.marching_cubes import marching_cubes
from maquette.kernels.rasterise import interpolate, rasterise
from maquette.perception.estimator import Estimator
from maquette.priors.base import Request
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.loading import check_path


@register("generator", "normal-fusion")
class NormalFusion(Generator):
    """Normals of each view integrated to depth, the depths fused as truncated signed distances within the visual hull.

    Parts of the hull that are too thin for the fusion, such as stems, are put back.

    Source: fusion as in Curless & Levoy 1996, "A volumetric method for building complex models from range images".
    """

    @dataclass(frozen=True)
    class Config:
        estimator: WeightsPath  # weights of an estimator of normals: a plugin's name, a folder or a hub name
        hull: VisualHull.Config = field(default_factory=lambda: VisualHull.Config(resolution=64))  # it stays within it
        size: Pixels = 64  # side of the views in which normals are integrated; larger views are shrunk
        truncation: Positive = 0.06  # of signed distances, scene units
        blur: NonNegative = 0.6  # standard deviation of a blur of the result, cells

        def __post_init__(self) -> None:
            check_path(self.estimator)

    def __init__(self, config: Config) -> None:
        self.config = config

    @torch.no_grad()
    def generate(self, request: Request, views: PosedImages | None, draws: Draws) -> DistanceGrid:
        if views is None or not len(views):
            raise ConfigError("normal-fusion needs pictures of the object, and there are none", key="start")
        config = self.config
        views = views.to("cpu")
        small = views.resized(config.size) if views.cameras.height > config.size else views
        normals = Estimator(config.estimator, "start.estimator").estimate(small.picture.over(1.0)).normal
        if normals is None:
            raise ConfigError(
                f"{config.estimator!r} estimates depth alone", key="start.estimator", hint="name one of normals"
            )
        return fuse_normals(small, functional.normalize(normals, dim=-1), config)


@torch.no_grad()
def fuse_normals(views: PosedImages, normals: Float[Tensor, "B H W 3"], config: NormalFusion.Config) -> DistanceGrid:
    """The shape whose normals, in the frame of each view's camera, are these; within the views' hull."""
    hull = visual_hull(views, config.hull)
    depth = _integrated_depth(hull, views, normals)
    fused = torch.maximum(_fuse(hull, views, normals, depth, config.truncation), hull.distances)
    blurred = torch.from_numpy(gaussian_filter(fused.numpy(), config.blur))
    restored = torch.minimum(blurred, hull.distances)
    return DistanceGrid(torch.where(thin_parts(hull.distances < 0), restored, blurred), hull.low, hull.cell)


def _integrated_depth(
    hull: DistanceGrid, views: PosedImages, normals: Float[Tensor, "B H W 3"]
) -> Float[Tensor, "B H W"]:
    """Depth along the viewing axis of each view's pixels; 0 where the hull is not visible."""
    vertices, triangles = marching_cubes(hull.distances, hull.low, hull.cell)
    cameras = views.cameras
    clip = cameras.clip_positions(vertices, NEAR, FAR)
    raster = rasterise(clip, triangles, cameras.height, cameras.width)
    hull_depth = interpolate(clip[..., 3:], raster, triangles)[..., 0]
    mask = raster.covered & (views.picture.alpha[..., 0] > 0.5)
    rotation = cameras.c2w[:, :3, :3]
    rays = torch.einsum("bij,bhwi->bhwj", rotation, cameras.rays()[1])
    rays = rays / -rays[..., 2:]
    depth = [
        integrate_normals(n, r, m, d) if m.any() else np.zeros_like(d)
        for n, r, m, d in zip(*(t.double().numpy() for t in (normals, rays)), mask.numpy(), hull_depth.double().numpy(),
                              strict=True)
    ]  # fmt: skip
    return torch.from_numpy(np.stack(depth)).float() * mask


def _fuse(
    hull: DistanceGrid,
    views: PosedImages,
    normals: Float[Tensor, "B H W 3"],
    depth: Float[Tensor, "B H W"],
    truncation: float,
) -> Float[Tensor, "X Y Z"]:
    """Mean of the views' truncated distances, by cosine^2; inside where no view has a say."""
    x, y, z = hull.distances.shape
    points = grid_points(hull.low, hull.cell, (x, y, z))
    near = hull.distances.flatten() < hull.cell
    points = points[near]
    total, weight = torch.zeros(len(points)), torch.zeros(len(points))
    clip = views.cameras.clip_positions(points, NEAR, FAR)
    rays = torch.einsum("bij,bhwi->bhwj", views.cameras.c2w[:, :3, :3], views.cameras.rays()[1])
    cosines = -(normals * rays).sum(-1).clamp(max=0)
    for one, depths, cosine in zip(clip, depth, cosines, strict=True):
        place = one[:, :2] / one[:, 3:].clamp(min=NEAR)
        column = ((place[:, 0] + 1) / 2 * depths.shape[1]).long().clamp(0, depths.shape[1] - 1)
        row = ((1 - place[:, 1]) / 2 * depths.shape[0]).long().clamp(0, depths.shape[0] - 1)
        surface, facing = depths[row, column], cosine[row, column]
        distance = (surface - one[:, 3]) * facing.clamp(min=0.1)
        counted = (surface > 0) & (distance > -truncation)
        vote = facing.square() * counted
        total += distance.clamp(max=truncation) * vote
        weight += vote
    fused = torch.full((near.numel(),), truncation)
    fused[near] = torch.where(weight > 1e-6, total / weight.clamp(min=1e-6), -truncation)
    return fused.reshape(x, y, z)
