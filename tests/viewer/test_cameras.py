import numpy as np
import torch

from maquette.cameras.base import orbit_cameras
from maquette.viewer.cameras import browser_camera, browser_pose


def test_a_camera_of_ours_comes_back_from_the_browser():
    one = torch.ones(1)
    ours = orbit_cameras(70 * one, 25 * one, 3 * one, 40 * one, 64)
    wxyz, position = browser_pose(ours.c2w[0])
    back = browser_camera(position, wxyz, np.radians(40), 1.5, 64)
    assert torch.allclose(back.c2w, ours.c2w, atol=1e-6)
    assert (back.height, back.width) == (64, 96)
    for name in ("azimuth_deg", "elevation_deg", "distance", "fov_y_deg"):
        assert torch.allclose(getattr(back, name), getattr(ours, name), atol=1e-3), name


def test_the_browsers_camera_looks_along_its_z_with_y_down():
    camera = browser_camera(np.array([0.0, 0.0, -5.0]), np.array([1.0, 0, 0, 0]), 0.5, 1.0, 9)
    _origins, directions = camera.rays()
    assert torch.allclose(directions[0, 4, 4], torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)
    assert directions[0, 0, 4, 1] < 0 < directions[0, 8, 4, 1]  # the first row is up, where y is negative
