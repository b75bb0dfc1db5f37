"""Latents through the volume renderer, over backgrounds of latents."""

import pytest
import torch
from torch.nn import functional

from maquette.backgrounds.learned import Learned
from maquette.backgrounds.solid import Solid
from maquette.backgrounds.textured import Textured
from maquette.geometry.base import Field, FieldSample
from maquette.materials.base import Shading
from maquette.materials.latent import Latent
from maquette.materials.plain import Plain
from maquette.renderers.base import View
from maquette.renderers.volume import Volume
from views import front

INSIDE = torch.tensor([1.0, -0.5, 0.25, 0.1])
BEHIND = torch.tensor([-0.5, 0.75, 0.1, -0.2])


class Fog(Field):
    """A ball of radius 1/2 with one density and the same latents everywhere."""

    bound, channels = 1.0, 4

    def __init__(self, density: float) -> None:
        super().__init__()
        self.inside = density

    def density(self, points):
        return self.inside * (points.norm(dim=-1) < 0.5)

    def query(self, points, normals=False):
        return FieldSample(self.density(points), INSIDE.expand(len(points), 4), None)


def draw(density: float, background, material=None):
    camera = front(size=17)
    renderer = Volume(Volume.Config(samples=128), bound=1.0)
    material = material or Latent(Latent.Config())
    return renderer.render(Fog(density), material, background, View(camera, Shading(), False))


@pytest.fixture
def texture() -> Textured:
    background = Textured(Textured.Config(height=4, width=4, channels=4))
    background.texels.data.copy_(BEHIND.expand(4, 4, 4))
    return background


@pytest.mark.parametrize("density", [0.5, 60.0])
def test_latents_lie_over_those_behind_as_far_as_the_object_covers_them(density, texture):
    seen = draw(density, texture)
    opacity = seen.opacity
    assert float(opacity[0, 8, 8]) == pytest.approx(1 - 2.718281828**-density, abs=0.01)  # a path of length 1
    torch.testing.assert_close(seen.latents, opacity * INSIDE + (1 - opacity) * BEHIND, atol=1e-4, rtol=0)


def test_colour_is_what_the_material_makes_of_latents_in_front_and_behind(texture):
    seen, material = draw(60.0, texture), Latent(Latent.Config())
    torch.testing.assert_close(seen.rgb[0, 8, 8], material.albedo(INSIDE[None])[0], atol=0.01, rtol=0)
    torch.testing.assert_close(seen.rgb[0, 0, 0], material.albedo(BEHIND[None])[0])
    torch.testing.assert_close(seen.background[0, 3, 3], material.albedo(BEHIND[None])[0])


def test_pictures_in_chunks_have_the_same_latents(texture):
    cameras = front(2, elevation=10.0, size=9)
    whole, parts = (
        Volume(Volume.Config(samples=64, chunk=chunk), 1.0).render(
            Fog(2.0), Latent(Latent.Config()), texture, View(cameras, Shading(), False)
        )
        for chunk in (10_000, 50)
    )
    torch.testing.assert_close(whole.latents, parts.latents)


def test_a_material_of_colour_draws_none():
    assert draw(5.0, Solid(Solid.Config()), Plain(Plain.Config())).latents is None


@pytest.mark.parametrize("kind", [Textured, Learned])
def test_latents_behind_are_learned_and_unbounded(kind):
    torch.manual_seed(0)
    background = kind(kind.Config(channels=4))
    directions = functional.normalize(torch.randn(1, 8, 8, 3), dim=-1)
    target = 3 * directions[..., [0, 1, 2, 0]]
    optimiser = torch.optim.Adam(background.parameters(), lr=0.1)
    for _ in range(150):
        optimiser.zero_grad()
        (background.latents(directions, None) - target).square().mean().backward()
        optimiser.step()
    assert background.latent_channels == 4
    assert float((background.latents(directions, None) - target).detach().abs().mean()) < 0.2


@pytest.mark.parametrize("kind", [Textured, Learned])
def test_three_channels_are_colour(kind):
    background = kind(kind.Config())
    seen = background(functional.normalize(torch.randn(1, 8, 8, 3), dim=-1), None)
    assert background.latent_channels == 0 and seen.shape == (1, 8, 8, 3)
    assert float(seen.detach().min()) > 0 and float(seen.detach().max()) < 1


def test_a_random_colour_cannot_stand_behind_latents():
    with pytest.raises(ValueError, match="a random colour cannot stand behind latents; set random_solid: 0"):
        Learned.Config(channels=4, random_solid=0.5)
