"""Conversions between representations: a new scene takes over the shape and colours of another one.

They let stages follow each other. Each file holds the conversions to one kind of geometry; the files with an underscore
hold what these have in common.
"""

from maquette.conversions import gaussians, grids, mesh, sdf_grid, sdf_voxels  # noqa: F401  each registers its pairs
from maquette.conversions.base import convert, converter

__all__ = ["convert", "converter"]
