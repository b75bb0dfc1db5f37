"""Pairs of views: one object, one background, and the camera of one relative to the other."""

import numpy as np
import pytest
import torch

from maquette.errors import ConfigError
from maquette.randomness import Draws
from maquette_nano.pairs import NanoJointPairs, NanoPairs
from maquette_nano.renders import DISTANCE, VIEWS, RendersConfig
from maquette_nano.world.categories import CATEGORIES


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    config = NanoPairs.Config(
        objects=6, held_out_objects=5, size=24, cache=str(tmp_path_factory.mktemp("pairs")), workers=1, white=1.0,
        same_view=0.2,
    )  # fmt: skip
    dataset = NanoPairs(config)
    dataset.prepare(torch.device("cpu"))
    return dataset


def found(data, images):
    """Which stored view each image is: the nearest in pixels over white."""
    views = data._train[0]
    pictures = views.over(torch.arange(len(views.azimuth_deg)), torch.ones(len(views.azimuth_deg), 3))
    return torch.cdist(images.flatten(1), pictures.flatten(1)).argmin(1).numpy()


def test_both_views_show_one_object_from_where_the_pose_says(data):
    views, pairs = data._train[0], data.batch(Draws(0, 0), 40)
    reference, target = found(data, pairs.reference), found(data, pairs.target)
    assert (reference // VIEWS == target // VIEWS).all()
    turn = np.deg2rad(views.azimuth_deg[target] - views.azimuth_deg[reference])
    down = np.deg2rad(views.elevation_deg[reference] - views.elevation_deg[target])
    expected = np.stack([down, np.sin(turn), np.cos(turn), 0 * turn], axis=1)
    np.testing.assert_allclose(pairs.pose, expected, atol=1e-5)
    assert 0 < (reference == target).mean() < 0.5
    inside = views.elevation_deg[reference]
    assert inside.min() >= -10 and inside.max() <= 60


def test_batches_are_a_function_of_the_draws(data):
    first, again, other = (data.batch(Draws(0, step), 6) for step in (1, 1, 2))
    assert torch.equal(first.target, again.target) and not torch.equal(first.target, other.target)
    assert first.target.shape == (6, 24, 24, 3) and first.pose.shape == (6, 4)


def test_both_views_stand_before_one_background(data):
    tinted = NanoPairs(NanoPairs.Config(**{**data.config.__dict__, "white": 0.0}))
    tinted.prepare(torch.device("cpu"))
    pairs = tinted.batch(Draws(0, 0), 16)
    assert torch.equal(pairs.reference[:, 0, 0], pairs.target[:, 0, 0])
    assert (pairs.reference[:, 0, 0] < 1).any()


def test_the_sheet_keeps_views_of_an_object_together(data):
    pairs = data.sample_pairs(3, 2)
    references = pairs.reference.unflatten(0, (3, 2))
    assert torch.equal(references[:, 0], references[:, 1])
    assert not torch.equal(references[0, 0], references[1, 0])
    quarter = pairs.pose.unflatten(0, (3, 2))[:, 0]
    torch.testing.assert_close(quarter, torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(3, 4), atol=1e-4, rtol=0)


def test_categories_can_be_left_out_of_the_training_pairs_alone(data):
    shown = [text.rpartition(" ")[2] for text in data._train[0].short]
    without = NanoPairs(NanoPairs.Config(**{**data.config.__dict__, "without": (shown[0],)}))
    without.prepare(torch.device("cpu"))
    assert {shown[number // VIEWS] for number in without._train[1].tolist()} == set(shown) - {shown[0]}
    assert len(without._held_out[1]) == len(data._held_out[1])
    with pytest.raises(ValueError, match="without: there is no category 'teapots'"):
        NanoPairs.Config(without=("teapots",))
    with pytest.raises(ValueError, match="without: it leaves no category"):
        NanoPairs.Config(without=tuple(CATEGORIES))


def test_references_that_no_object_has_are_refused(data):
    with pytest.raises(ValueError, match="reference_elevation_deg goes from 60 down to -10"):
        NanoPairs.Config(reference_elevation_deg=(60.0, -10.0))
    nowhere = NanoPairs(NanoPairs.Config(**{**data.config.__dict__, "reference_elevation_deg": (-80.0, -79.0)}))
    with pytest.raises(ConfigError, match="none of 6 objects has a view at elevations of -80 to -79 degrees"):
        nowhere.prepare(torch.device("cpu"))


def test_joint_pairs_are_a_reference_and_six_views_of_one_lens(tmp_path):
    data = NanoJointPairs(RendersConfig(objects=4, held_out_objects=2, size=24, cache=str(tmp_path), workers=1))
    data.prepare(torch.device("cpu"))
    first, again, other = (data.batch(Draws(0, step), 3) for step in (1, 1, 2))
    assert torch.equal(first.target, again.target) and not torch.equal(first.target, other.target)
    assert first.target.shape == (18, 24, 24, 3)
    references = first.reference.unflatten(0, (3, 6))
    assert (references == references[:, :1]).all()
    change_deg = torch.rad2deg(torch.atan2(first.pose[:, 1], first.pose[:, 2])).view(3, 6) % 360
    torch.testing.assert_close(change_deg, torch.tensor([30.0, 90, 150, 210, 270, 330]).expand(3, 6), atol=1e-3, rtol=0)
    elevations = torch.tensor([20.0, -10.0]).repeat(9)
    torch.testing.assert_close(first.target_cameras.elevation_deg, elevations, atol=1e-3, rtol=0)
    for cameras in (first.reference_cameras, first.target_cameras):
        torch.testing.assert_close(cameras.distance, torch.full((18,), DISTANCE))
        assert len(cameras.fov_y_deg.unique()) == 1
    views = data._train
    seen = torch.cdist(first.target.flatten(1), views.over(torch.arange(32), torch.ones(32, 3)).flatten(1)).argmin(1)
    assert (seen % VIEWS == torch.arange(2, 8).repeat(3)).all()
    assert data.held_out(Draws(0, 0), 2).target.shape[0] == 12 and data.sample_pairs(2, 6).target.shape[0] == 12
