"""R-Precision retrieves; a cosine is not a precision."""

import numpy as np
import pytest
import torch

from maquette.errors import ConfigError
from maquette.metrics.base import Case
from maquette.metrics.r_precision import RPrecision
from maquette.perception.clip import Clip

GRID = {
    f"a {colour} {thing}": {"category": thing, "colour": colour}
    for thing in ("mug", "house", "fish")
    for colour in ("red", "green", "blue")
}


@pytest.fixture(scope="module")
def red_mug():
    """Eight true pictures of a red mug, from the world that the encoder learnt from."""
    from maquette_nano import world

    thing = next(
        t for t in (world.sample_object(i, "train") for i in range(2000)) if (t.body, t.category) == ("red", "mug")
    )
    c2w = np.stack([world.orbit_c2w(45 * i, 20, 3.2) for i in range(8)])
    return world.render(thing, c2w, 35, 128).picture.over(0.85).numpy()


def metric(**config: object) -> RPrecision:
    return RPrecision(RPrecision.Config(**{"captions": GRID, "scorer": "nano-clip", **config}))


def test_true_pictures_retrieve_their_own_caption(red_mug):
    measured = metric().judge(red_mug, Case("a red mug"))
    assert measured.values["exact"] >= 7 / 8 and measured.values["exact, pooled"] == 1.0
    assert measured.facts["retrieved, pooled"] == "a red mug"


def test_levels_count_labels_one_by_one_and_together(red_mug):
    judge = metric(levels=("category", "colour", "category+colour"))
    measured = judge.judge(red_mug, Case("a red mug with dots", {"category": "mug", "colour": "green"}))
    assert measured.values["category, pooled"] == 1.0
    assert measured.values["colour, pooled"] == 0.0 and measured.values["category+colour, pooled"] == 0.0


def test_pictures_of_something_else_score_nothing(red_mug):
    grey = np.full_like(red_mug, 0.6)
    assert metric().judge(grey, Case("a red mug")).values["exact, pooled"] == 0.0
    assert metric().judge(red_mug, Case("a blue fish")).values["exact"] == 0.0


def test_any_picture_size_is_resized_to_the_encoders(red_mug):
    clip = Clip("nano-clip")
    small = red_mug.reshape(8, 64, 2, 64, 2, 3).mean((2, 4))
    large, fewer = (clip.images(torch.from_numpy(pictures)) for pictures in (red_mug, small))
    assert float((large * fewer).sum(1).min()) > 0.98


def test_configs_that_cannot_work_say_why():
    with pytest.raises(ValueError, match="no caption has the label 'material'"):
        RPrecision.Config(scorer="nano-clip", captions=GRID, levels=("material",))
    with pytest.raises(ConfigError, match="cannot load a CLIP model from '/nowhere'"):
        Clip("/nowhere")


def test_a_case_without_the_label_of_a_level_is_never_right(red_mug):
    measured = metric(levels=("category",)).judge(red_mug, Case("a purple thing"))
    assert measured.values["category"] == 0.0
