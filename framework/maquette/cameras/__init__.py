"""Cameras: the batch type, and the samplers that draw it."""

from maquette.cameras.base import Cameras, CameraSampler, orbit_cameras

__all__ = ["CameraSampler", "Cameras", "orbit_cameras"]
