"""Backgrounds."""

import pytest
import torch

from maquette.backgrounds.learned import Learned
from maquette.backgrounds.random_solid import RandomSolid
from maquette.backgrounds.solid import Solid
from maquette.randomness import Draws

DIRECTIONS = torch.nn.functional.normalize(torch.randn(2, 4, 4, 3), dim=-1)


def test_a_solid_background_is_its_colour():
    assert torch.equal(
        Solid(Solid.Config(color=(0.1, 0.2, 0.3)))(DIRECTIONS, None)[1, 2, 3], torch.tensor([0.1, 0.2, 0.3])
    )


def test_a_random_solid_background_is_one_colour_per_picture_and_still_outside_training():
    background = RandomSolid(RandomSolid.Config())
    seen = background(DIRECTIONS, Draws(0, 0))
    assert torch.equal(seen[0, 0, 0], seen[0, 3, 3]) and not torch.equal(seen[0, 0, 0], seen[1, 0, 0])
    assert torch.equal(background(DIRECTIONS, None), background(DIRECTIONS, None))


def test_a_learned_background_depends_on_direction():
    torch.manual_seed(0)
    seen = Learned(Learned.Config())(DIRECTIONS, None)
    assert seen.std(dim=(0, 1, 2)).min() > 0


def test_a_learned_background_gives_way_to_a_colour():
    seen = Learned(Learned.Config(random_solid=1.0))(DIRECTIONS, Draws(0, 0))
    assert torch.equal(seen[0, 0, 0], seen[0, 3, 3])


@pytest.mark.parametrize("background", [RandomSolid, Learned])
def test_views_of_one_object_share_their_colour(background):
    config = {"random_solid": 1.0} if background is Learned else {}
    seen = background(background.Config(views=2, **config))(DIRECTIONS.repeat(2, 1, 1, 1)[:3], Draws(0, 0))[:, 0, 0]
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[1], seen[2])
