"""From one representation to another, so that stages chain: a new scene takes over the shape and colours of an old one.

Each file holds the conversions to one sort of geometry; what they share stands in the files with an underscore.
"""

from maquette.conversions import gaussians, grids, mesh, sdf_grid  # noqa: F401  each registers its pairs
from maquette.conversions.base import convert, converter

__all__ = ["convert", "converter"]
