"""Pictures of a prior without a method: their settings, and the cameras that they are seen from."""

import pytest
import torch
import yaml

from maquette.cameras.base import orbit_cameras
from maquette.errors import ConfigError
from maquette.stages.pictures import parse_pictures, sample


@pytest.fixture
def prior(tiny_pixel_model, tmp_path):
    path = tmp_path / "tiny.yaml"
    settings = {"type": "stable-diffusion", "path": str(tiny_pixel_model), "dtype": "float32"}
    path.write_text(yaml.safe_dump({"prior": settings}))
    return str(path)


def test_pictures_of_one_seed_do_not_depend_on_how_many_are_sampled(prior):
    words = ["prompt=a red mug", "sampling.steps=2", "seed=4"]
    two = sample(parse_pictures(prior, [*words, "count=2"])).rgb
    assert len(two) == 2 and torch.equal(two[0], sample(parse_pictures(prior, words)).rgb[0])


def test_pictures_are_seen_from_the_cameras_that_are_given(prior):
    one = torch.ones(3)
    cameras = orbit_cameras(90 * one, 0 * one, 3 * one, 40 * one, 8)
    samples = sample(parse_pictures(prior, ["prompt=a red mug", "sampling.steps=2"]), cameras=cameras)
    assert samples.cameras is cameras and len(samples.rgb[0]) == 3


def test_pictures_need_the_prompt(prior):
    with pytest.raises(ConfigError, match='prompt: missing value; give it as prompt="a red mug"'):
        parse_pictures(prior, [])
