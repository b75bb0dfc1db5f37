"""A field of latents, and how it is shown."""

import torch

from maquette.materials.base import Shading, ShadingPoints
from maquette.materials.latent import LATENT_TO_RGB, Latent
from maquette.materials.plain import Plain


def test_features_are_the_latents_as_they_are():
    material = Latent(Latent.Config())
    features = 3 * torch.randn(10, 6)
    assert material.latent_channels == 4
    assert torch.equal(material.latents(features), features[:, :4])


def test_zero_latents_are_grey_and_each_channel_adds_its_colour():
    shown = Latent(Latent.Config()).albedo(torch.cat([torch.zeros(1, 4), torch.eye(4)]))
    torch.testing.assert_close(shown[0], torch.full((3,), 0.5))
    torch.testing.assert_close(shown[1:], 0.5 + torch.tensor(LATENT_TO_RGB) / 2)


def test_shown_colours_are_colours_whatever_the_latents():
    point = torch.zeros(100, 3)
    features = 50 * torch.randn(100, 4)
    shown = Latent(Latent.Config()).shade(ShadingPoints(features, point, None, point, point), Shading())
    assert float(shown.min()) >= 0 and float(shown.max()) <= 1


def test_refinement_draws_colour_and_starts_from_the_map_it_learns():
    coarse, fine = Latent(Latent.Config()), Latent(Latent.Config(refine=True))
    assert fine.latent_channels == 0 and not list(coarse.parameters())
    fine.load_state_dict(coarse.state_dict())
    fine.albedo(torch.rand(5, 4)).sum().backward()
    assert fine.to_rgb.grad.abs().sum() > 0


def test_other_materials_draw_no_latents():
    assert Plain(Plain.Config()).latent_channels == 0
