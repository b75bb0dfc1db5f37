"""Cameras of the browser as ours, and ours as the browser's."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras

FLIP = np.diag([1.0, -1.0, -1.0])  # viser's cameras look along +z with y down, ours along -z with y up


def browser_camera(
    position: np.ndarray, wxyz: np.ndarray, fov_y_rad: float, aspect: float, height: int
) -> Cameras:  # fmt: skip
    """One of our cameras where a browser's is.

    Args:
        position: in the world [3].
        wxyz: rotation from the camera to the world, as viser has it.
        fov_y_rad: vertical angle of view.
        aspect: width by height of the picture.
        height: rows of the picture; the columns follow.
    """
    c2w = torch.eye(4)[None]
    c2w[0, :3, :3] = torch.from_numpy(rotation_matrix(wxyz) @ FLIP).float()
    place = torch.from_numpy(np.asarray(position, dtype=np.float32))
    c2w[0, :3, 3] = place
    distance = place.norm().clamp(min=1e-6)
    azimuth = torch.rad2deg(torch.atan2(place[1], place[0]))
    elevation = torch.rad2deg(torch.asin((place[2] / distance).clamp(-1, 1)))
    return Cameras(
        c2w, torch.tensor([math.degrees(fov_y_rad)]), azimuth[None], elevation[None], distance[None], height,
        max(1, round(height * aspect)), place[None],
    )  # fmt: skip


def browser_pose(c2w: Float[Tensor, "4 4"]) -> tuple[np.ndarray, np.ndarray]:
    """wxyz [4] and position [3] of one of our cameras, as viser has them."""
    matrix = c2w.detach().cpu().double().numpy()
    return quaternion(matrix[:3, :3] @ FLIP), matrix[:3, 3]


def rotation_matrix(wxyz: np.ndarray) -> np.ndarray:
    """Rotation matrices [..., 3, 3] of quaternions w, x, y, z [..., 4]."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_quat(np.roll(np.asarray(wxyz, dtype=np.float64), -1, axis=-1)).as_matrix()


def quaternion(matrix: np.ndarray) -> np.ndarray:
    """Quaternion w, x, y, z of a rotation matrix."""
    from scipy.spatial.transform import Rotation

    return np.roll(Rotation.from_matrix(matrix).as_quat(), 1)
