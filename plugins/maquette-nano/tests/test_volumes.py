"""Volumes of nano objects: pictures, cameras and distances are of one object, turned or not, perturbed or not."""

import dataclasses

import numpy as np
import pytest
import torch

from maquette.randomness import Draws
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG
from maquette_nano.sampled import SampledViewsConfig
from maquette_nano.volumes import BOUND, RIGS, NanoVolumes, shift_and_blur, truncated_distances, warp

RESOLUTION = 16
CELL = 2 * BOUND / RESOLUTION


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> NanoVolumes:
    config = NanoVolumes.Config(
        objects=6, held_out_objects=4, size=32, resolution=RESOLUTION, cache=str(tmp_path_factory.mktemp("world")),
        workers=1,
    )  # fmt: skip
    dataset = NanoVolumes(config)
    dataset.prepare(torch.device("cpu"))
    return dataset


def test_a_batch_has_four_views_at_right_angles_or_the_six_of_zero123plus(data):
    counts = set()
    for step in range(8):
        batch = data.batch(Draws(0, step), 3)
        views = len(batch.images) // 3
        counts.add(views)
        turns = batch.cameras.azimuth_deg.view(3, views).diff(dim=1) % 360
        torch.testing.assert_close(turns, torch.full_like(turns, 360 / views), atol=1e-2, rtol=0)
        elevation = batch.cameras.elevation_deg.view(3, views)
        if views == 4:
            assert (elevation == elevation[:, :1]).all() and elevation.min() >= 5 and elevation.max() <= 25
        else:
            assert {tuple(row) for row in elevation[:, :2].tolist()} <= {(20.0, -10.0), (30.0, -20.0)}
        torch.testing.assert_close(batch.cameras.distance, torch.full((3 * views,), DISTANCE))
    assert counts == set(data.view_counts) == {4, 6}


@pytest.mark.parametrize("quarters", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("views", [4, 6])
def test_rays_of_covered_pixels_meet_the_object_and_the_others_miss_it(data, quarters, views):
    objects = data._train.select(torch.arange(6), RIGS[views], torch.ones(6, 3), torch.full((6,), quarters))
    origins, directions = objects.cameras.rays()
    steps = torch.linspace(DISTANCE - 1, DISTANCE + 1, 96)
    points = origins[:, :, :, None] + steps[:, None] * directions[:, :, :, None]
    grid = objects.distances.repeat_interleave(views, dim=0)[:, None].permute(0, 1, 4, 3, 2)  # grid_sample: x last
    values = torch.nn.functional.grid_sample(
        grid, points / BOUND, padding_mode="border", align_corners=False
    )  # [P, 1, H, W, steps]
    nearest = values[:, 0].amin(-1)
    opacity = objects.opacity[..., 0]
    assert (nearest[opacity > 0.99] < 0.5 * CELL).float().mean() > 0.98
    assert (nearest[opacity == 0] > -0.2 * CELL).float().mean() > 0.99


def test_pictures_are_those_of_the_object_from_the_cameras_when_it_is_not_turned(data):
    objects = data._train.select(torch.tensor([2]), RIGS[6], torch.ones(1, 3), torch.tensor([-1]))
    rendered = world.render(world.sample_object(2, "train"), objects.cameras.c2w.numpy(), FOV_DEG, 32)
    torch.testing.assert_close(rendered.picture.over(1.0), objects.images, atol=4 / 255, rtol=0)


def test_distances_are_those_of_the_world_truncated_at_a_cell():
    obj, axis = world.sample_object(3, "train"), (np.arange(RESOLUTION) + 0.5) * CELL - BOUND
    truth = obj.sdf(np.array([[axis[9], axis[5], axis[7]]], np.float32))[0]
    grid = truncated_distances(obj, RESOLUTION).astype(np.float32) / 127 * CELL
    assert abs(grid[9, 5, 7] - np.clip(truth, -CELL, CELL)) < CELL / 127
    assert (np.abs(grid) <= CELL).all() and (grid < 0).any() and (grid == np.float32(CELL)).mean() > 0.5


def test_a_quarter_turn_is_exact():
    obj = world.sample_object(3, "train")
    turned, quarter = truncated_distances(obj, RESOLUTION, 90.0), np.rot90(truncated_distances(obj, RESOLUTION))
    assert (np.abs(turned.astype(int) - quarter) <= 1).mean() > 0.99


def test_half_of_the_objects_face_the_front(data):
    batch = data.batch(Draws(0, 5), 64)
    volumes = data._train.distances[:, 0].float() / 127 * CELL
    unturned = (torch.cdist(batch.distances.flatten(1), volumes.flatten(1)) < 1e-3).any(1)
    assert 0.3 < unturned.float().mean() < 0.7


def test_training_pictures_are_perturbed_and_held_out_ones_only_if_asked(data):
    true, perturbed = (data.held_out(Draws(0, 1), 4, 4, perturbed) for perturbed in (False, True))
    assert torch.equal(true.distances, perturbed.distances) and torch.equal(true.opacity, perturbed.opacity)
    difference = (true.images - perturbed.images).abs().mean()
    assert 1e-4 < difference < 0.05
    again = data.held_out(Draws(0, 1), 4, 4, True)
    assert torch.equal(again.images, perturbed.images)


def test_a_shift_moves_a_picture_right_and_down_by_its_pixels():
    pictures = torch.zeros(2, 9, 9, 3)
    pictures[:, 4, 3] = 1.0
    shifted = shift_and_blur(pictures, torch.tensor([[1.0, 0.0], [0.25, 0.5]]), torch.zeros(2))
    assert shifted[0, 4, 4, 0] == 1 and shifted[0].sum() == 3
    weights = shifted[1, 4:6, 3:5, 0]
    torch.testing.assert_close(weights, torch.tensor([[0.375, 0.125], [0.375, 0.125]]))


def test_a_blur_keeps_the_brightness_and_spreads_it_by_its_deviation():
    pictures = torch.zeros(1, 9, 9, 3)
    pictures[:, 4, 4] = 1.0
    blurred = shift_and_blur(pictures, torch.zeros(1, 2), torch.tensor([0.8]))[0, ..., 0]
    place = torch.arange(9.0) - 4
    assert blurred.sum() == pytest.approx(1.0)
    assert (blurred.sum(0) * place.square()).sum() == pytest.approx(0.8**2, rel=0.1)


def test_a_warp_takes_pixels_from_as_far_as_its_points_say():
    pictures = torch.rand(2, 16, 16, 3)
    right, none = torch.zeros(2, 2, 4, 4), torch.zeros(2, 2, 4, 4)
    right[0, 0] = 2.0
    torch.testing.assert_close(warp(pictures, none), pictures, atol=1e-5, rtol=0)
    moved = warp(pictures, right)
    torch.testing.assert_close(moved[0, :, :14], pictures[0, :, 2:], atol=1e-4, rtol=0)
    torch.testing.assert_close(moved[1], pictures[1], atol=1e-5, rtol=0)


def test_objects_of_the_sheet_face_the_front_over_white(data):
    objects = data.sample_objects(2, 4)
    assert len(objects.images) == 8 and (objects.images[:, 0, 0] == 1).all()
    expected = torch.from_numpy(truncated_distances(world.sample_object(0, "validation"), RESOLUTION)).float()
    torch.testing.assert_close(objects.distances[0], expected / 127 * CELL)


def test_sampled_views_stand_around_their_picture_and_come_with_or_without_it(data):
    sampled = SampledViewsConfig(objects=2, steps=1)
    dataset = NanoVolumes(dataclasses.replace(data.config, sampled=sampled, sampled_batches=1.0))
    dataset.prepare(torch.device("cpu"))
    counts = set()
    for step in range(8):
        batch = dataset.batch(Draws(0, step), 2)
        counts.add(views := len(batch.images) // 2)
        azimuth_deg = batch.cameras.azimuth_deg.view(2, views)
        torch.testing.assert_close(azimuth_deg[:, :6].diff(dim=1) % 360, torch.full((2, 5), 60.0), atol=1e-2, rtol=0)
    assert counts == {6, 7}
    whole = dataset._sampled.select(torch.arange(2), range(7), torch.zeros(2, 3), torch.full((2,), -1))
    for number, cameras in ((0, whole.cameras[6:7]), (1, whole.cameras[13:14])):
        obj = world.sample_object(number, "train")
        picture = world.render(obj, cameras.c2w.numpy(), FOV_DEG, 32).picture.over(1.0)
        torch.testing.assert_close(whole.images[7 * number + 6], picture[0], atol=2 / 255, rtol=0)
        expected = torch.from_numpy(truncated_distances(obj, RESOLUTION)).float() / 127 * CELL
        torch.testing.assert_close(whole.distances[number], expected)
