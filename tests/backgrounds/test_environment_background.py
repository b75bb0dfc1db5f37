"""A given environment behind the object."""

import numpy as np
import pytest
import torch
from PIL import Image

from maquette.backgrounds.environment import Environment
from maquette.images.color import linear_to_srgb
from maquette.images.environment import latlong_directions, studio_radiance
from views import front

SIDES = torch.tensor([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]).reshape(1, 1, 6, 3)


@pytest.fixture
def compass(tmp_path):
    """A picture whose stored pixels are (direction + 1) / 2."""
    stored = ((latlong_directions(64).numpy() + 1) / 2 * 255).round().astype(np.uint8)
    path = tmp_path / "compass.png"
    Image.fromarray(stored).save(path)
    return str(path)


def test_every_side_shows_its_own_direction(compass):
    seen = Environment(Environment.Config(environment=compass))(SIDES, None)
    torch.testing.assert_close(seen, (SIDES + 1) / 2, atol=0.04, rtol=0)


def test_what_the_camera_sees_is_not_mirrored(compass):
    _, directions = front(fov=60.0, size=9).rays()
    seen = Environment(Environment.Config(environment=compass))(directions, None)
    torch.testing.assert_close(seen, (directions + 1) / 2, atol=0.04, rtol=0)
    assert seen[0, 4, 8, 1] > seen[0, 4, 0, 1]  # from the front, looking back, +y is on the right


def test_turning_the_environment_brings_the_front_to_the_left(compass):
    seen = Environment(Environment.Config(environment=compass, rotation_deg=90.0))(SIDES, None)
    torch.testing.assert_close(seen[0, 0, 1], (SIDES[0, 0, 0] + 1) / 2, atol=0.04, rtol=0)


def test_the_studio_is_shown_as_srgb_cut_at_white():
    seen = Environment(Environment.Config())(SIDES, None)
    torch.testing.assert_close(seen, linear_to_srgb(studio_radiance(SIDES)), atol=0.01, rtol=0)
    assert float(Environment(Environment.Config(exposure=10.0))(SIDES, None).min()) == pytest.approx(1.0)


def test_nothing_of_it_is_learned_or_kept_in_checkpoints():
    background = Environment(Environment.Config())
    assert not list(background.parameters()) and not background.state_dict()
