"""Directions of cameras, as the viewpoint reader gives them."""

import math

import torch

from maquette.cameras import orbit_cameras
from maquette.perception.viewpoint_reader import azimuths_deg, directions


def test_a_viewpoint_reader_direction_gives_the_azimuth_back():
    azimuth = torch.arange(-175.0, 180.0, 10.0)
    cameras = orbit_cameras(azimuth, 0 * azimuth + 30, 0 * azimuth + 3, 0 * azimuth + 40, 8)
    found = directions(cameras)
    torch.testing.assert_close(azimuths_deg(found), azimuth, atol=1e-3, rtol=0)
    torch.testing.assert_close(found[:, 0], torch.full_like(azimuth, math.pi / 6))
    torch.testing.assert_close(found[:, 1:].norm(dim=1), torch.ones(len(azimuth)))
