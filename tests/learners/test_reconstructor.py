"""The learner of views to volume: a few steps place a ball, its figures are right for known volumes, weights load."""

import math
from typing import Any

import pytest
import torch

from ball_surfaces import BOUND, RESOLUTION, SIZE, Balls, train_on_balls
from maquette.errors import ConfigError
from maquette.learners.reconstructor import (
    ReconstructorLearner,
    hull_mask,
    intersection_over_union,
    shaded_surfaces,
)
from maquette.perception.reconstructor import Reconstructor
from maquette.perception.view_volume import cell_centres
from maquette.randomness import Draws


def ball_distances(centers: torch.Tensor, radius: float) -> torch.Tensor:
    """Signed distances [B, N, N, N] of balls, not truncated."""
    points = cell_centres(BOUND, RESOLUTION)
    return (torch.cdist(centers, points) - radius).unflatten(1, (RESOLUTION,) * 3)


@pytest.fixture(scope="module")
def learner() -> ReconstructorLearner:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"picture_widths": (8, 8, 8), "features": 4, "widths": (16, 16), "blocks": (1, 1)}
    learner = ReconstructorLearner(ReconstructorLearner.Config(**sizes, context=8, average_decay=0.5, evaluated=8))
    learner.build(Balls())
    learner.set_memory_format(torch.device("cpu"))
    train_on_balls(learner, 60, 4)
    return learner


def test_a_few_steps_place_a_ball_from_either_number_of_views(learner):
    figures = learner.evaluate(Balls(), Draws(9, 0))
    for views in (3, 4):
        assert figures[f"solid IoU, {views} true views"] > 0.45  # untrained: none
        assert 0 < figures[f"shell IoU, {views} true views"] < 1
        assert figures[f"solid IoU of the hull, {views} true views"] > 0.7


def test_saved_weights_give_the_distances_of_the_learner_s_average(learner, tmp_path):
    learner.save(tmp_path)
    objects = Balls().sample_objects(2, 4)
    images = objects.images.unflatten(0, (2, 4))
    loaded = Reconstructor.load(str(tmp_path))
    torch.testing.assert_close(
        loaded(images, objects.cameras), learner.averaged(images, objects.cameras), atol=5e-3, rtol=0
    )
    assert loaded.architecture.bound == BOUND and loaded.architecture.resolution == RESOLUTION


def test_a_training_goes_on_from_saved_weights_and_refuses_those_of_another_cube(learner, tmp_path):
    learner.save(tmp_path)
    onward = ReconstructorLearner(ReconstructorLearner.Config(start=str(tmp_path)))
    onward.build(Balls())
    assert onward.architecture == learner.architecture  # not that of the config's defaults
    assert all(parameter.requires_grad for parameter in onward.networks.parameters())
    losses = [float(each.loss(Balls().batch(Draws(0, 0), 4), Draws(0, 0)).total()) for each in (onward, learner)]
    assert losses[0] < 2 * losses[1]
    other = Balls()
    other.bound = 1.0
    with pytest.raises(ConfigError, match=r"half side 0\.84"):
        ReconstructorLearner(ReconstructorLearner.Config(start=str(tmp_path))).build(other)


def test_the_sheet_has_a_row_per_object_with_its_views_and_six_surfaces(learner):
    sheet = learner.sample_sheet(Balls(), Draws(0, 0))
    assert sheet.shape == (8 * (SIZE + 2), (3 + 6) * (SIZE + 2), 3)
    assert sheet.min() >= 0 and sheet.max() <= 1


def test_intersection_over_union_of_balls_is_that_of_their_volumes():
    center = torch.zeros(1, 3)
    small, large = (ball_distances(center, radius) < 0 for radius in (0.5, 0.7))
    assert math.isclose(float(intersection_over_union(small, large)), (0.5 / 0.7) ** 3, rel_tol=0.05)


def test_the_hull_holds_the_object_and_more():
    objects = Balls().sample_objects(4, 4)
    hull, truth = hull_mask(objects, BOUND), objects.distances < 0
    assert (hull & truth).sum() > 0.9 * truth.sum() and hull.sum() > truth.sum()


def test_surfaces_are_drawn_where_the_axes_see_the_ball():
    views = shaded_surfaces(ball_distances(torch.tensor([[0.4, 0.3, -0.3]]), 0.2))[0, ..., 0]
    expected = [(0.3, 0.3), (0.3, -0.4), (0.4, 0.3)]  # rows downwards, columns to the right, scene units
    for view, place in zip(views, expected, strict=True):
        rows, columns = torch.nonzero(view < 1, as_tuple=True)
        middle = ((torch.stack([rows, columns]).float().mean(1) + 0.5) / RESOLUTION * 2 - 1) * BOUND
        torch.testing.assert_close(middle, torch.tensor(place), atol=0.06, rtol=0)
