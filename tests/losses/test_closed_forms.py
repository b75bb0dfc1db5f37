"""Losses against numbers worked out by hand, each from the values that it reads alone."""

import dataclasses

import pytest
import torch

from maquette.data.base import Target
from maquette.geometry.base import SurfaceMesh
from maquette.geometry.voxel_grid import VoxelGrid
from maquette.images.picture import Picture
from maquette.losses._features import squared_unit_difference
from maquette.losses.eikonal import Eikonal
from maquette.losses.mask import MaskLoss
from maquette.losses.normal_consistency import NormalConsistency
from maquette.losses.total_variation import TotalVariation
from maquette.renderers.base import RaySampleValues
from views import front, rendering

PICTURE = rendering(torch.zeros(1, 2, 2, 3))
"""A rendering to which tests add what a loss reads."""


def test_mask_is_the_mean_squared_difference_of_opacity_and_alpha():
    alpha = torch.tensor([[1.0, 0.0], [0.5, 0.0]])[None, ..., None]
    known = Target(front(size=2), Picture(PICTURE.rgb, alpha))
    drawn = dataclasses.replace(PICTURE, opacity=torch.full_like(alpha, 0.5))
    assert float(MaskLoss(MaskLoss.Config())(drawn, known)) == pytest.approx((0.25 + 0.25 + 0 + 0.25) / 4)


def samples(gradients: torch.Tensor) -> RaySampleValues:
    count = len(gradients)
    rays = torch.arange(count)
    return RaySampleValues(torch.ones(count), rays * 1.0, rays, count, None, gradients, gradients=gradients)


def test_eikonal_is_the_mean_squared_excess_of_the_gradients_length():
    gradients = torch.tensor([[3.0, 0.0, 4.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])  # of lengths 5, 1 and 0
    drawn = dataclasses.replace(PICTURE, samples=samples(gradients))
    assert float(Eikonal(Eikonal.Config())(drawn, None)) == pytest.approx((16 + 0 + 1) / 3)


def test_eikonal_of_no_samples_is_zero():
    drawn = dataclasses.replace(PICTURE, samples=samples(torch.zeros(0, 3)))
    assert float(Eikonal(Eikonal.Config())(drawn, None)) == 0


def test_total_variation_is_that_of_the_grid():
    geometry = VoxelGrid(VoxelGrid.Config(resolution=4, channels=3))
    with torch.no_grad():
        geometry.grid[0, 0, 2:] = 1.0  # a step of 1 in one of 4 channels, at one of 3 places along one axis
    value = TotalVariation(TotalVariation.Config())(PICTURE, geometry)
    assert value.item() == pytest.approx(1 / 4 / 3)


def test_normal_consistency_is_one_minus_the_cosine_over_each_edge():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], requires_grad=True)
    right_angle = SurfaceMesh(vertices, torch.tensor([[0, 1, 2], [0, 3, 1]]))  # normals along +z and +y
    value = NormalConsistency(NormalConsistency.Config())(dataclasses.replace(PICTURE, mesh=right_angle), None)
    assert value.item() == pytest.approx(1.0)
    alone = dataclasses.replace(PICTURE, mesh=SurfaceMesh(vertices, torch.tensor([[0, 1, 2]])))
    assert NormalConsistency(NormalConsistency.Config())(alone, None).item() == 0


def test_features_are_compared_by_their_directions():
    first = torch.tensor([[[3.0, 0.0], [1.0, 0.0]]])
    second = torch.tensor([[[9.0, 0.0], [0.0, 5.0]]])  # the same direction, and one at a right angle
    expected = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]])
    torch.testing.assert_close(squared_unit_difference(first, second), expected)
    assert torch.isfinite(squared_unit_difference(0 * first, second)).all()
