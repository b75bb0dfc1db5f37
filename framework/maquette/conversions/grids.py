"""Anything becomes signed distances at the corners of a grid: DMTet, FlexiCubes."""

from __future__ import annotations

from typing import Any

from maquette.conversions._looks import Look, fit_colours
from maquette.conversions._solids import solid
from maquette.conversions.base import converter
from maquette.geometry.dmtet import DMTet
from maquette.geometry.flexicubes import FlexiCubes
from maquette.meshes.distances import mesh_to_sdf, trilinear
from maquette.randomness import Draws
from maquette.scene import Scene

BETWEEN = {DMTet: 2, FlexiCubes: 1}  # corners of tetrahedra stand at whole and half steps, those of cubes at whole ones
COLOURS = "texture."  # begins the names of parameters that are no part of the shape


@converter("field", DMTet)
@converter("splats", DMTet)
@converter("surface", DMTet)
@converter("field", FlexiCubes)
@converter("splats", FlexiCubes)
@converter("surface", FlexiCubes)
def to_grid(source: Scene, target: Scene, draws: Draws) -> None:
    """Distances to the source's surface, exact near it, and colours fitted around it.

    From a grid that is the same, the shape is taken over as it is.
    """
    geometry: DMTet | FlexiCubes = target.geometry
    mesh = solid(source)
    step = 2 * geometry.bound / geometry.config.resolution
    shape = _shape(geometry)
    if type(source.geometry) is type(geometry) and _sizes(source.geometry) == _sizes(geometry):
        for name, values in _shape(source.geometry).items():
            shape[name].data.copy_(values.data)
    else:
        samples = BETWEEN[type(geometry)] * geometry.config.resolution + 1
        _, distances = mesh_to_sdf(mesh, samples, geometry.bound)
        places = (geometry.corners.detach().cpu() / geometry.bound).clamp(-1, 1)
        geometry.distances.data.copy_(trilinear(distances, places))
        for name in shape.keys() - {"distances"}:
            shape[name].data.zero_()
    texture = geometry.texture
    fit_colours(Look(source, target), texture.outputs, list(texture.parameters()), mesh, step / 2, draws)


def _shape(geometry: Any) -> dict[str, Any]:
    return {name: values for name, values in geometry.named_parameters() if not name.startswith(COLOURS)}


def _sizes(geometry: Any) -> tuple[float, int]:
    return geometry.bound, geometry.config.resolution
