"""The relative pose that Zero-1-to-3's family is told, against values worked out by hand."""

import math

import pytest
import torch

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.cameras.directions import relative_pose
from views import around


def at(azimuth_deg: float, elevation_deg: float, distance: float = 2.0) -> Cameras:
    return around(azimuth_deg, elevation=elevation_deg, distance=distance, size=4)


@pytest.mark.parametrize(
    ("reference", "target", "expected"),
    [
        ((20, 10), (20, 10), (0, 0, 1, 0)),
        ((0, 30), (0, 0), (math.pi / 6, 0, 1, 0)),  # lower down: the polar angle grows
        ((0, 0), (90, 0), (0, 1, 0, 0)),  # a quarter to the camera's right
        ((350, 0), (20, 45), (-math.pi / 4, 0.5, math.sqrt(3) / 2, 0)),  # across azimuth 0
        ((0, 0, 1.5), (180, 0, 2.0), (0, 0, -1, 0.5)),
    ],
)
def test_hand_worked_poses(reference, target, expected):
    assert relative_pose(at(*reference), at(*target))[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_it_is_what_zero123_works_out_from_camera_centres():
    """Its data loader knows only matrices: theta = acos(z / r), phi = atan2(y, x), r = |c|."""
    angles = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
    cameras = [
        orbit_cameras(360 * a, 160 * b - 80, 1.5 + c, torch.full((5,), 40.0), 4) for a, b, c in (angles, angles.flip(1))
    ]
    spheres = []
    for camera in cameras:
        centre = camera.c2w[:, :3, 3]
        radius = centre.norm(dim=1)
        spheres.append(((centre[:, 2] / radius).acos(), torch.atan2(centre[:, 1], centre[:, 0]), radius))
    polar, azimuth, radius = (target - reference for reference, target in zip(*spheres, strict=True))
    expected = torch.stack([polar, azimuth.sin(), azimuth.cos(), radius], dim=1)
    torch.testing.assert_close(relative_pose(*cameras), expected, atol=1e-5, rtol=1e-5)
