"""Anything becomes a field of signed distances, by a short fit to the distances from its surface."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from maquette.conversions._looks import POINTS, Look, fit, pool
from maquette.conversions._solids import solid
from maquette.conversions.base import converter
from maquette.geometry.sdf_grid import SDFGrid
from maquette.meshes.distances import mesh_to_sdf, trilinear
from maquette.randomness import Draws
from maquette.scene import Scene

_log = logging.getLogger(__name__)

SAMPLES = 129  # of the signed distance along each side of the cube
REACH = 0.02  # off the surface, of the points whose distances and colours are fitted, in units of the cube's half side
STEPS = 400
RATES = (1e-2, 1e-3)  # learning rate at the first and the last step
ALL_ROUND = 0.3  # share of the distances anywhere in the cube in the loss
COLOUR = 0.2  # weight of the squared differences of colours beside mean distances in units of the half side


@converter("field", SDFGrid)
@converter("splats", SDFGrid)
@converter("surface", SDFGrid)
def to_sdf_grid(source: Scene, target: Scene, draws: Draws) -> None:
    """Trains the field on distances near the surface and anywhere in the cube, and on colours near the surface.

    Logs how far the distances near the surface are from the true ones.
    """
    geometry: SDFGrid = target.geometry
    look, mesh, bound = Look(source, target), solid(source), geometry.bound
    _, grid = mesh_to_sdf(mesh, SAMPLES, bound)
    grid = grid.to(look.device)
    near, wanted = pool(look, mesh, REACH * bound, draws)
    near = near.clamp(-bound, bound)
    distances = trilinear(grid, near / bound)

    def loss(keyed: Draws) -> Tensor:
        index = keyed.integers("point", 0, len(near) - 1, POINTS).to(near.device)
        found = geometry.query(near[index])
        anywhere = keyed.uniform("anywhere", POINTS, 3, low=-1.0).to(near)
        far = (geometry.sdf(anywhere * bound) - trilinear(grid, anywhere)).abs().mean()
        assert found.sdf is not None  # a field of signed distances
        close = (found.sdf - distances[index]).abs().mean()
        colour = (look.shown(found.features) - wanted[index]).square().mean()
        return ((1 - ALL_ROUND) * close + ALL_ROUND * far) / bound + COLOUR * colour

    parameters = [p for name, group in geometry.groups().items() if name != "scale" for p in group]
    fit(parameters, loss, STEPS, RATES, draws)
    with torch.no_grad():
        error = torch.cat([(geometry.sdf(some) - true).abs() for some, true in _parts(near, distances)])
    mean = float(error.mean())
    _log.info("convert: signed distances near the surface are off by %.2g on average, scene units", mean)


def _parts(points: Tensor, values: Tensor) -> list[tuple[Tensor, Tensor]]:
    return list(zip(points.split(2**17), values.split(2**17), strict=True))
