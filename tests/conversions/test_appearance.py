"""Colours go from one scene to the features of another."""

import pytest
import torch
from coloured_ball import empty, field_ball, mesh_ball
from torch import nn

from maquette.conversions._appearance import COLOR_TOLERANCE, AppearanceTransfer, fit_parameters
from maquette.materials.latent import Latent
from maquette.materials.pbr import PBR
from maquette.randomness import Draws

POINTS = torch.tensor([[0.2, 0.0, 0.4], [0.2, 0.0, -0.6]])
RED_AND_BLUE = torch.tensor([[0.98, 0.02, 0.02], [0.02, 0.02, 0.98]])


def test_the_appearance_of_a_source_is_its_colours():
    transfer = AppearanceTransfer(field_ball(), empty("gaussians"))
    torch.testing.assert_close(transfer.query_source(POINTS, POINTS), RED_AND_BLUE, atol=0.01, rtol=0)


def test_metal_and_roughness_belong_to_it_where_both_materials_have_them():
    physical = PBR(PBR.Config(resolution=8))
    both = AppearanceTransfer(field_ball(5, physical), empty("gaussians", physical, channels=5))
    one = AppearanceTransfer(mesh_ball(), empty("gaussians", physical, channels=5))
    assert both.query_source(POINTS, POINTS).shape == (2, 5) and one.query_source(POINTS, POINTS).shape == (2, 3)


@pytest.mark.parametrize("material", [None, Latent(Latent.Config())])
def test_features_are_found_that_show_a_given_appearance(material):
    transfer = AppearanceTransfer(mesh_ball(), empty("gaussians", material, channels=4 if material else 3))
    shown = transfer.shade_features(transfer.solve_features(RED_AND_BLUE))
    torch.testing.assert_close(shown, RED_AND_BLUE, atol=6 * COLOR_TOLERANCE, rtol=0)


def test_fitting_ends_at_the_minimum_and_leaves_flags_and_gradients_as_they_were():
    frozen = nn.Parameter(torch.tensor([3.0, -2.0]), requires_grad=False)
    seen = []

    def loss(draws: Draws) -> torch.Tensor:
        seen.append(float(draws.uniform("x", 1)))
        return (frozen - torch.tensor([1.0, 0.5])).square().sum()

    fit_parameters([frozen], loss, 200, (0.1, 0.001), Draws(0, 0))
    torch.testing.assert_close(frozen.data, torch.tensor([1.0, 0.5]), atol=0.05, rtol=0)
    assert not frozen.requires_grad and frozen.grad is None and len(set(seen)) == 200
