"""Conversions of every form of geometry to signed distances on a grid: DMTet, FlexiCubes."""

from __future__ import annotations

from typing import Any

from maquette.conversions._appearance import AppearanceTransfer, fit_colors
from maquette.conversions._surfaces import clean_surface
from maquette.conversions.base import converter
from maquette.geometry.dmtet import DMTet
from maquette.geometry.flexicubes import FlexiCubes
from maquette.meshes.distances import mesh_to_sdf, trilinear
from maquette.randomness import Draws
from maquette.scene import Scene

SAMPLES_PER_CELL = {DMTet: 2, FlexiCubes: 1}  # tetrahedra have corners at half steps too
TEXTURE_PREFIX = "texture."  # of the names of parameters that hold colours, not shape


@converter("field", DMTet)
@converter("splats", DMTet)
@converter("surface", DMTet)
@converter("field", FlexiCubes)
@converter("splats", FlexiCubes)
@converter("surface", FlexiCubes)
def to_grid(source: Scene, target: Scene, draws: Draws) -> None:
    """Set signed distances to the source's surface, exact near it, and fit colours around it.

    From a grid of the same class, bound and resolution, the shape parameters are copied.
    """
    geometry: DMTet | FlexiCubes = target.geometry
    mesh = clean_surface(source)
    step = 2 * geometry.bound / geometry.config.resolution
    shape = _shape(geometry)
    if type(source.geometry) is type(geometry) and _sizes(source.geometry) == _sizes(geometry):
        for name, values in _shape(source.geometry).items():
            shape[name].data.copy_(values.data)
    else:
        samples = SAMPLES_PER_CELL[type(geometry)] * geometry.config.resolution + 1
        _, distances = mesh_to_sdf(mesh, samples, geometry.bound)
        positions = (geometry.corners.detach().cpu() / geometry.bound).clamp(-1, 1)
        geometry.distances.data.copy_(trilinear(distances, positions))
        for name in shape.keys() - {"distances"}:
            shape[name].data.zero_()
    texture = geometry.texture
    fit_colors(AppearanceTransfer(source, target), texture.outputs, list(texture.parameters()), mesh, step / 2, draws)


def _shape(geometry: Any) -> dict[str, Any]:
    return {name: values for name, values in geometry.named_parameters() if not name.startswith(TEXTURE_PREFIX)}


def _sizes(geometry: Any) -> tuple[float, int]:
    return geometry.bound, geometry.config.resolution
