"""Pictures of an earlier stage are targets, all at once or in turn, with normals where these can be trusted."""

import pytest
import torch

from ball_views import ball_views
from maquette.config.capabilities import SAMPLED_VIEWS, TARGET_NORMAL
from maquette.data.sampled_views import SampledViews, view_normals
from maquette.errors import ConfigError
from maquette.randomness import Moment

CPU = torch.device("cpu")


def prepared(views, **config) -> SampledViews:
    data = SampledViews(SampledViews.Config(**config), views)
    data.prepare(CPU)
    return data


def test_each_step_gets_all_pictures_or_a_batch_in_turn():
    views = ball_views()
    assert len(prepared(views).sample(Moment.at(3, 10, 0)).picture) == 4
    batches = [prepared(views, batch=3).sample(Moment.at(step, 10, 0)).indices.tolist() for step in range(3)]
    assert batches == [[0, 1, 2], [3, 0, 1], [2, 3, 0]]


def test_larger_pictures_are_shrunk_and_smaller_ones_stay():
    assert prepared(ball_views(), size=16).all().picture.size == (16, 16)
    assert prepared(ball_views(), size=64).all().picture.size == (32, 32)


def test_normals_point_from_the_centre_and_are_unknown_at_the_border():
    views = ball_views(elevation=0.0, size=64)
    normal = view_normals(views, "nano-depth-normals")
    length = normal.norm(dim=-1)
    assert ((length - 1).abs() < 1e-4).logical_or(length == 0).all()
    assert (length[views.picture.alpha[..., 0] < 0.99] == 0).all()
    toward_camera = normal[torch.arange(4), 32, 32] @ views.cameras.c2w[0, :3, 2]
    assert toward_camera[0] > 0.9 and toward_camera[2] < -0.9


def test_it_says_what_it_needs_and_gives():
    plain, with_normals = (SampledViews.Config(estimator=name) for name in ("", "nano-depth-normals"))
    assert SAMPLED_VIEWS in SampledViews.capabilities(plain).needs
    assert TARGET_NORMAL not in SampledViews.capabilities(plain).gives
    assert TARGET_NORMAL in SampledViews.capabilities(with_normals).gives


def test_nothing_is_held_out_and_every_picture_is_a_reference():
    data = prepared(ball_views())
    assert len(data.references()) == 4
    with pytest.raises(ConfigError, match="none held out"):
        data.held_out()
