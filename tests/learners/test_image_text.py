"""A small CLIP learns which caption goes with which picture."""

import math

import pytest
import torch

from maquette.learners.image_text import ImageTextLearner, augment
from maquette.perception.clip import Clip
from maquette.randomness import Draws
from two_colors import TwoColors

DATASET = TwoColors(16)
SIZES = {"size": 16, "patch": 8, "width": 16, "layers": 1, "text_width": 16, "text_layers": 1, "heads": 2}


@pytest.fixture(scope="module")
def learner() -> ImageTextLearner:
    torch.manual_seed(0)
    learner = ImageTextLearner(ImageTextLearner.Config(**SIZES, projection=8, average_decay=0.5, evaluated=16))
    learner.build(DATASET)
    return learner


def test_equal_captions_are_positives_of_each_other(learner):
    batch = DATASET.batch(Draws(0, 0), 8)
    alike = type(batch)(batch.images, ["a red mug"] * 8)
    loss = learner.loss(alike, Draws(0, 0)).total().item()
    assert loss >= math.log(8) - 1e-4  # the entropy of eight that are equally right


def test_image_text_training_retrieves_the_caption_and_is_saved_as_a_clip(learner, tmp_path):
    optimiser = torch.optim.Adam(learner.networks.parameters(), lr=3e-3)
    for step in range(25):
        optimiser.zero_grad()
        learner.loss(DATASET.batch(Draws(0, step), 16), Draws(0, step)).total().backward()
        optimiser.step()
        learner.after_step(step)
    assert learner.evaluate(DATASET, Draws(1, 0)) == {"held-out retrieval": 1.0}
    learner.save(tmp_path)
    clip, batch = Clip(str(tmp_path)), DATASET.held_out(Draws(2, 0), 8)
    cosines = clip.images(batch.images) @ clip.texts(DATASET.sample_captions()).T
    assert [DATASET.sample_captions()[i] for i in cosines.argmax(1).tolist()] == batch.captions


def test_augmentation_keeps_pictures_in_their_range_and_follows_from_the_draws():
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    first, again, other = (augment(images, (0.75, 1.2), draws) for draws in (Draws(0, 0), Draws(0, 0), Draws(0, 1)))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.min() >= 0 and first.max() <= 1 and first.shape == images.shape
