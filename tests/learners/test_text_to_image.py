"""A small text-to-image model: its loss, its start from other weights, and the layout that it is saved in."""

import pytest
import torch

from maquette.errors import ConfigError
from maquette.learners.text_to_image import TextToImageLearner
from maquette.priors.base import Request
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.randomness import Draws
from two_colors import TwoColors

DATASET = TwoColors(16)
SIZES = {
    "size": 16,
    "widths": (16, 16),
    "attention_levels": 1,
    "text_width": 16,
    "text_layers": 1,
    "tokens": 16,
    "sample_steps": 4,
}


def built(**config) -> TextToImageLearner:
    torch.manual_seed(0)
    learner = TextToImageLearner(TextToImageLearner.Config(**SIZES, heads=2, average_decay=0.0, evaluated=4, **config))
    learner.build(DATASET)
    return learner


@pytest.fixture(scope="module")
def learner() -> TextToImageLearner:
    return built()


def test_the_loss_is_a_function_of_the_batch_and_the_draws(learner):
    batch = DATASET.batch(Draws(0, 0), 4)
    first, again, other = (
        learner.loss(batch, draws).total().item() for draws in (Draws(0, 0), Draws(0, 0), Draws(0, 1))
    )
    assert first == again != other
    assert learner.evaluate(DATASET, Draws(0, 0)).keys() == {"held-out velocity"}


def test_a_text_to_image_model_starts_from_saved_weights_and_is_a_prior(learner, tmp_path):
    learner.after_step(0)
    learner.save(tmp_path)
    again = built(start=str(tmp_path))
    for name, value in learner.networks.state_dict().items():
        torch.testing.assert_close(again.networks.state_dict()[name], value, atol=1e-3, rtol=1e-3)  # saved as halves
    prior = StableDiffusion(StableDiffusion.Config(path=str(tmp_path), dtype="float32", device="cpu"))
    assert prior.latent_shape == (3, 16, 16) and prior.condition(Request("a red mug")) is not None


def test_samples_are_pictures_and_follow_from_the_draws(learner):
    sheet = learner.sample_sheet(DATASET, Draws(0, 0))
    assert sheet.min() >= 0 and sheet.max() <= 1 and (sheet == learner.sample_sheet(DATASET, Draws(0, 0))).all()


def test_a_start_without_a_unet_is_refused_by_key(tmp_path):
    with pytest.raises(ConfigError, match=r"learner\.start: cannot load unet"):
        built(start=str(tmp_path))
