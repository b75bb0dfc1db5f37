"""DreamFusion's material."""

import pytest
import torch

from maquette.config.schedules import Schedule
from maquette.materials.base import Shading, ShadingPoints
from maquette.materials.diffuse import Diffuse
from maquette.randomness import Draws, Moment

POINT, NORMAL, DOWN = torch.zeros(1, 3), torch.tensor([[0.0, 0, 1]]), torch.tensor([[0.0, 0, -1]])


def shade(shading: Shading, light: tuple[float, float, float]) -> torch.Tensor:
    points = ShadingPoints(torch.zeros(1, 3), POINT, NORMAL, DOWN, torch.tensor([light]))
    return Diffuse(Diffuse.Config()).shade(points, shading)


def test_light_from_above_adds_the_full_diffuse_part():
    torch.testing.assert_close(shade(Shading(0.1, 0.9), (0.0, 0.0, 2.0)), torch.full((1, 3), 0.5))


def test_light_from_below_leaves_only_the_ambient_part():
    torch.testing.assert_close(shade(Shading(0.1, 0.9), (0.0, 0.0, -2.0)), torch.full((1, 3), 0.05))


def test_textureless_shading_is_white():
    torch.testing.assert_close(shade(Shading(0.1, 0.9, True), (0.0, 0.0, 2.0)), torch.ones(1, 3))


@pytest.mark.parametrize(("step", "expected"), [(0, 0.0), (99, 0.75)])
def test_lit_steps_begin_after_the_warm_up(step, expected):
    material = Diffuse(Diffuse.Config())
    lit = [material.shading(Moment(step, 100, Draws(seed, step))).diffuse > 0 for seed in range(400)]
    assert abs(sum(lit) / 400 - expected) < 0.08


def test_half_of_the_lit_steps_show_no_texture():
    material = Diffuse(Diffuse.Config(lit=Schedule.constant(1.0)))
    bare = [material.shading(Moment(0, 1, Draws(seed, 0))).textureless for seed in range(400)]
    assert abs(sum(bare) / 400 - 0.5) < 0.08
