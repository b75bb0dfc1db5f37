"""Rotation matrices of quaternions, against scipy's."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from maquette.kernels.rotations import rotation_matrices


def test_matrices_are_those_of_scipy_whatever_the_length():
    quaternions = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).double()
    expected = Rotation.from_quat(quaternions.numpy(), scalar_first=True).as_matrix()
    np.testing.assert_allclose(rotation_matrices(quaternions).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(rotation_matrices(-3 * quaternions).numpy(), expected, atol=1e-12)


def test_no_turn_and_a_quarter_turn_about_z():
    half = 0.5**0.5
    none, quarter = rotation_matrices(torch.tensor([[1.0, 0, 0, 0], [half, 0, 0, half]]))
    torch.testing.assert_close(none, torch.eye(3))
    torch.testing.assert_close(quarter @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]))
