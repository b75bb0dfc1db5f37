"""Conversion of every form of geometry to signed distances at the points of a plain grid."""

from __future__ import annotations

from maquette.conversions._surfaces import clean_surface
from maquette.conversions.base import converter
from maquette.geometry.sdf_voxels import Grid, SDFVoxels
from maquette.meshes.distances import mesh_to_sdf
from maquette.randomness import Draws
from maquette.scene import Scene

SAMPLES = 129  # of the distance along each side of the cube


@converter("field", SDFVoxels)
@converter("splats", SDFVoxels)
@converter("surface", SDFVoxels)
def to_sdf_voxels(source: Scene, target: Scene, draws: Draws) -> None:
    """Take over the distances to the source's surface; its colours are dropped, since the grid has none."""
    geometry: SDFVoxels = target.geometry
    _, distances = mesh_to_sdf(clean_surface(source), SAMPLES, geometry.bound)
    low, cell = (-geometry.bound,) * 3, 2 * geometry.bound / (SAMPLES - 1)
    geometry.replace(Grid(distances.to(geometry.distances.device), low, cell))
