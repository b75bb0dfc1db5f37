"""The volume renderer against a ball whose picture is known."""

import pytest
import torch

from maquette.backgrounds.solid import Solid
from maquette.geometry.base import Field, FieldSample
from maquette.geometry.density import normal_of
from maquette.materials.base import Shading
from maquette.materials.plain import Plain
from maquette.randomness import Draws, Moment
from maquette.renderers.base import View
from maquette.renderers.occupancy_grid import OccupancyConfig
from maquette.renderers.volume import Volume
from views import front


class Ball(Field):
    """Density 60 inside a ball of radius 1/2, falling off over a small shell; red."""

    bound, channels = 1.0, 3

    def __init__(self, shell: float = 0.003) -> None:
        super().__init__()
        self.shell = shell

    def density(self, points):
        return 60 * torch.sigmoid((0.5 - points.norm(dim=-1)) / self.shell)

    def query(self, points, normals=False):
        features = torch.tensor([9.0, -9.0, -9.0]).expand(len(points), 3)
        return FieldSample(self.density(points), features, normal_of(self.density, points) if normals else None)


@pytest.fixture
def camera():
    return front(size=33)


def draw(camera, renderer=None, draws=None, shell=0.003):
    renderer = renderer or Volume(Volume.Config(samples=256), bound=1.0)
    return renderer.render(
        Ball(shell),
        Plain(Plain.Config()),
        Solid(Solid.Config(color=(0.0, 0.0, 1.0))),
        View(camera, Shading(), True, draws),
    )


def test_depth_normal_colour_and_opacity_of_a_ball(camera):
    picture = draw(camera)
    assert abs(float(picture.depth[0, 16, 16, 0].detach()) - 2.5) < 0.03
    torch.testing.assert_close(picture.normal[0, 16, 16], torch.tensor([1.0, 0, 0]), atol=0.05, rtol=0)
    torch.testing.assert_close(picture.rgb[0, 16, 16], torch.tensor([1.0, 0, 0]), atol=0.02, rtol=0)
    torch.testing.assert_close(picture.rgb[0, 0, 0], torch.tensor([0.0, 0, 1]), atol=1e-4, rtol=0)


def test_the_silhouette_has_the_right_size(camera):
    covered = (draw(camera).opacity > 0.5).float().mean()
    radius = 33 / 2 / torch.tan(torch.deg2rad(torch.tensor(20.0))) * 0.5 / (3**2 - 0.5**2) ** 0.5
    assert abs(float(covered) - float(torch.pi * radius**2 / 33**2)) < 0.02


@pytest.mark.parametrize(("levels", "resolution", "most"), [(1, 32, 0.2), (3, 24, 0.25)])
def test_skipping_empty_space_changes_hardly_anything_that_is_seen(camera, levels, resolution, most):
    config = Volume.Config(samples=256, occupancy=OccupancyConfig(resolution, levels))
    skipping = Volume(config, bound=1.0)
    for step in range(0, 160, 16):
        skipping.update(Ball(0.02), Moment(step, 1000, Draws(0, step)))
    assert skipping.occupancy.occupied[-1].float().mean() < most
    torch.testing.assert_close(draw(camera, skipping, shell=0.02).rgb, draw(camera, shell=0.02).rgb, atol=0.06, rtol=0)


def test_pictures_in_chunks_are_the_same(camera):
    whole, parts = (draw(camera, Volume(Volume.Config(chunk=chunk), 1.0)) for chunk in (10_000, 100))
    torch.testing.assert_close(whole.rgb, parts.rgb)


def test_training_pictures_are_stratified_and_repeat(camera):
    first, again, other = (draw(camera, draws=Draws(0, step)).rgb for step in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_an_empty_scene_shows_its_background(camera):
    renderer = Volume(Volume.Config(), 1.0)
    renderer.occupancy.occupied.zero_()
    picture = draw(camera, renderer, Draws(0, 0))
    assert picture.opacity.abs().max() == 0 and torch.allclose(picture.rgb[..., 2], torch.ones(1))
