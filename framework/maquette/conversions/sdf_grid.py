"""Conversion of every form of geometry to a signed-distance field, by a short fit to distances from its surface."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from maquette.conversions._appearance import POINTS_PER_STEP, AppearanceTransfer, fit_parameters, sample_near_surface
from maquette.conversions._surfaces import clean_surface
from maquette.conversions.base import converter
from maquette.geometry.sdf_grid import SDFGrid
from maquette.meshes.distances import mesh_to_sdf, trilinear
from maquette.randomness import Draws
from maquette.scene import Scene

_log = logging.getLogger(__name__)

SDF_RESOLUTION = 129  # samples of the signed distance along each side of the cube
SURFACE_DEVIATION = 0.02  # of training points from the surface, std, in units of the cube's half side
SDF_STEPS = 400  # of Adam
SDF_RATES = (1e-2, 1e-3)  # learning rate at the first and the last step
UNIFORM_WEIGHT = 0.3  # weight of distances at uniform points in the cube; those near the surface have the rest
COLOR_WEIGHT = 0.2  # weight of squared colour differences, relative to mean distances in units of the half side


@converter("field", SDFGrid)
@converter("splats", SDFGrid)
@converter("surface", SDFGrid)
def to_sdf_grid(source: Scene, target: Scene, draws: Draws) -> None:
    """Train the field on distances near the surface and anywhere in the cube, and on colours near the surface.

    Logs the mean error of the distances near the surface.
    """
    geometry: SDFGrid = target.geometry
    transfer, mesh, bound = AppearanceTransfer(source, target), clean_surface(source), geometry.bound
    _, grid = mesh_to_sdf(mesh, SDF_RESOLUTION, bound)
    grid = grid.to(transfer.device)
    near, appearance = sample_near_surface(transfer, mesh, SURFACE_DEVIATION * bound, draws)
    near = near.clamp(-bound, bound)
    distances = trilinear(grid, near / bound)

    def loss(keyed: Draws) -> Tensor:
        index = keyed.integers("point", 0, len(near) - 1, POINTS_PER_STEP).to(near.device)
        sample = geometry.query(near[index])
        anywhere = keyed.uniform("anywhere", POINTS_PER_STEP, 3, low=-1.0).to(near)
        far = (geometry.sdf(anywhere * bound) - trilinear(grid, anywhere)).abs().mean()
        assert sample.sdf is not None  # a field of signed distances
        close = (sample.sdf - distances[index]).abs().mean()
        color = (transfer.shade_features(sample.features) - appearance[index]).square().mean()
        return ((1 - UNIFORM_WEIGHT) * close + UNIFORM_WEIGHT * far) / bound + COLOR_WEIGHT * color

    parameters = [p for name, group in geometry.groups().items() if name != "scale" for p in group]
    fit_parameters(parameters, loss, SDF_STEPS, SDF_RATES, draws)
    with torch.no_grad():
        error = torch.cat([(geometry.sdf(some) - true).abs() for some, true in _chunks(near, distances)])
    mean = float(error.mean())
    _log.info("convert: signed distances near the surface are off by %.2g on average, scene units", mean)


def _chunks(points: Tensor, values: Tensor) -> list[tuple[Tensor, Tensor]]:
    return list(zip(points.split(2**17), values.split(2**17), strict=True))
