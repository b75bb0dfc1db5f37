"""Camera batches and camera samplers."""

from maquette.cameras.base import Cameras, CameraSampler, orbit_cameras

__all__ = ["CameraSampler", "Cameras", "orbit_cameras"]
