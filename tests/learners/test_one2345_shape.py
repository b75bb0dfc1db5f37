"""Stage one of One-2-3-45++: a few steps place a ball; cameras are turned by about a pixel; weights load."""

import math

import pytest
import torch

from ball_surfaces import BOUND, RESOLUTION, SIZE, Balls, train_on_balls
from maquette.errors import ConfigError
from maquette.generators.one2345.shape_network import ShapeNetwork
from maquette.learners.one2345_shape import One2345Shape, jittered
from maquette.perception.reconstructor import Architecture, Reconstructor
from maquette.randomness import Draws

TINY = {"picture_widths": (8, 8, 8), "features": 4, "widths": (16, 16), "blocks": (1, 1), "context": 8}


@pytest.fixture(scope="module")
def learner() -> One2345Shape:
    torch.manual_seed(0)
    config = One2345Shape.Config("nano-clip", **TINY, average_decay=0.5, sample_steps=4, evaluated=8)
    learner = One2345Shape(config)
    learner.build(Balls())
    learner.set_memory_format(torch.device("cpu"))
    train_on_balls(learner, 60, 4)
    return learner


def test_a_few_steps_place_a_ball_in_one_step_and_in_several(learner):
    figures = learner.evaluate(Balls(), Draws(9, 0))
    for steps in (4, 1):
        assert figures[f"solid IoU, 3 true views, {steps} steps"] > 0.35  # untrained: none
        assert 0 < figures[f"shell IoU, 3 true views, {steps} steps"] < 1


def test_what_is_saved_samples_as_the_average_does(learner, tmp_path):
    learner.save(tmp_path)
    loaded = ShapeNetwork.load(str(tmp_path))
    assert loaded.architecture == learner.architecture and loaded.architecture.tower == "nano-clip"


def test_the_sheet_has_views_and_surfaces_sampled_predicted_and_true(learner):
    sheet = learner.sample_sheet(Balls(), Draws(0, 0))
    assert sheet.shape == (8 * (SIZE + 2), (3 + 9) * (SIZE + 2), 3)


def test_a_start_of_another_cube_is_refused(tmp_path):
    Reconstructor(Architecture(1.0, RESOLUTION, SIZE, (8, 8, 8), 4, (8, 8), (1, 1), 8)).save(tmp_path)
    with pytest.raises(ConfigError, match=r"half side 1 .* one of 0\.84"):
        One2345Shape(One2345Shape.Config("nano-clip", str(tmp_path))).build(Balls())


def test_jittered_cameras_shift_what_they_see_by_the_deviation_and_stay_where_they_are():
    batch = Balls().draw(Draws(0, 0), 300, 4)
    cameras = jittered(batch, 1.5, Draws(1, 0))
    torch.testing.assert_close(cameras.c2w[:, :3, 3], batch.cameras.c2w[:, :3, 3])
    product = cameras.c2w[:, :3, :3].mT @ cameras.c2w[:, :3, :3]
    torch.testing.assert_close(product, torch.eye(3).expand_as(product), atol=1e-5, rtol=0)
    middle = cameras.clip_positions(torch.zeros(1, 3), 0.1, 10.0)[:, 0]
    shift = middle[:, :2] / middle[:, 3:] * SIZE / 2
    moved = shift.norm(dim=-1) > 1e-3
    assert 0.4 < moved.float().mean() < 0.6  # half of the objects
    assert math.isclose(float(shift[moved].std()), 1.5, rel_tol=0.1)
    assert Balls.bound == BOUND
