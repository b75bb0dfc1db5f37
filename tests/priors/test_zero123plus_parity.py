"""Zero123++ gives what its own pipeline gives."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from maquette.cameras import Cameras
from maquette.data.base import Reference
from maquette.images.picture import Picture
from maquette.priors.base import Request
from maquette.priors.zero123plus.canvas import tile, untile
from maquette.priors.zero123plus.zero123plus import Zero123Plus
from views import front
from zero123plus_layouts import SIZE, save_folder

FIXTURE = Path(__file__).parent / "fixtures" / "zero123plus.safetensors"
FRONT = front(size=16)


@pytest.fixture(scope="module")
def prior(tmp_path_factory) -> Zero123Plus:
    """Of the weights that the pipeline had."""
    folder = save_folder(tmp_path_factory.mktemp("zero123plus") / "zero123plus-v1.2", latent=True)
    return Zero123Plus(Zero123Plus.Config(path=str(folder), dtype="float32", device="cpu", size=SIZE))


@pytest.fixture(scope="module")
def theirs() -> dict[str, torch.Tensor]:
    """What the pipeline of the original was given, and what it made of it."""
    return load_file(FIXTURE)


def told(prior: Zero123Plus, theirs: dict[str, torch.Tensor], objects: int = 1) -> tuple[dict, Cameras]:
    """The conditions of their picture, and the cameras of as many objects."""
    cameras = Cameras.cat([prior.cameras(FRONT, 3.0)] * objects)
    picture = Picture.opaque(theirs["picture"][None].float() / 255)
    request = Request("", references=(Reference(picture, FRONT),))
    return prior.condition(request).at(cameras), cameras


def test_predictions_are_those_of_the_original_pipeline(prior, theirs):
    conditions, cameras = told(prior, theirs)
    for noisy, step, velocities in zip(theirs["noisy"], theirs["steps"], theirs["velocity"], strict=True):
        alpha, sigma = theirs["alphas_cumprod"][step].sqrt(), (1 - theirs["alphas_cumprod"][step]).sqrt()
        found = prior.predict(untile(noisy[None]), step.repeat(6), conditions, cameras)
        for name, velocity in zip(("unconditional", "positive"), velocities, strict=True):
            torch.testing.assert_close(tile(found[name])[0], alpha * velocity + sigma * noisy, rtol=1e-4, atol=1e-4)


def test_several_levels_are_predicted_at_once_as_one_by_one(prior, theirs):
    conditions, cameras = told(prior, theirs, objects=2)
    steps = theirs["steps"][:2].repeat_interleave(6)
    found = prior.predict(untile(theirs["noisy"][:2]), steps, conditions, cameras)["positive"]
    alpha, sigma = prior.noise_schedule.alpha_sigma(theirs["steps"][:2])
    expected = alpha * theirs["velocity"][:2, 1] + sigma * theirs["noisy"][:2]
    torch.testing.assert_close(tile(found), expected, rtol=1e-4, atol=1e-4)


def test_what_is_told_is_what_the_original_pipeline_tells(prior, theirs):
    conditions, _ = told(prior, theirs)
    for name, context, reference in zip(
        ("unconditional", "positive"), theirs["context"], theirs["reference"], strict=True
    ):
        torch.testing.assert_close(conditions[name].context, context, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(conditions[name].picture, reference, rtol=1e-4, atol=1e-5)


def test_pictures_are_encoded_and_decoded_as_by_the_original_pipeline(prior, theirs):
    encoded = tile(prior.encode(untile(theirs["canvas"]).permute(0, 2, 3, 1)))
    torch.testing.assert_close(encoded, theirs["encoded"], rtol=1e-4, atol=1e-5)
    decoded = tile(prior.decode(untile(theirs["latents"])).permute(0, 3, 1, 2))
    torch.testing.assert_close(decoded, theirs["decoded"], rtol=1e-4, atol=1e-5)


def test_noise_levels_are_linear_in_beta(prior, theirs):
    torch.testing.assert_close(prior.noise_schedule.alphas_cumprod, theirs["alphas_cumprod"])
    assert prior.noise_schedule.prediction == "v_prediction"
