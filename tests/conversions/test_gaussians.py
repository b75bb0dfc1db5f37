"""A surface becomes Gaussians that lie flat along it, just inside."""

import numpy as np
import torch
from coloured_ball import CENTRE, RADIUS, converted, mesh_ball

from maquette.conversions.gaussians import _rotations_to
from maquette.kernels.rotations import rotation_matrices


def test_gaussians_are_flat_along_the_surface_and_one_deviation_inside():
    cloud = converted(mesh_ball(), "gaussians", count=500).geometry.splats()
    away = cloud.means.detach() - torch.tensor(CENTRE)
    outward = torch.nn.functional.normalize(away, dim=1)
    thin = rotation_matrices(cloud.quaternions.detach())[:, :, 2]
    assert ((thin * outward).sum(1).abs() > 0.99).all()
    inside = RADIUS - away.norm(dim=1)
    torch.testing.assert_close(inside, cloud.scales.detach()[:, 2], atol=2e-3, rtol=0)
    assert len(cloud.means) == 500 and (cloud.scales[:, 0] > 3 * cloud.scales[:, 2]).all()


def test_turns_take_the_z_axis_to_each_normal():
    normals = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    normals = torch.cat([normals, torch.tensor([[0.0, 0, 1], [0, 0, -1]])])
    np.testing.assert_allclose(rotation_matrices(_rotations_to(normals))[:, :, 2], normals, atol=1e-5)
