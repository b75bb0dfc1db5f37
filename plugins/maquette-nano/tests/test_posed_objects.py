"""Posed images of nano objects agree with the objects' exact geometry and with each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from maquette.data.formats import PosedImages, load_posed_images, save_posed_images
from maquette_nano import world
from maquette_nano.posed import posed_object, spiral_cameras
from maquette_nano.world.builder import Builder
from maquette_nano.world.colors import COLORS, DETAIL

CENTRE, RADIUS = (0.3, -0.25, 0.4), 0.12


@pytest.fixture(scope="module")
def ball() -> PosedImages:
    """A small blue ball off the origin and nothing else."""
    builder = Builder()
    builder.ball(CENTRE, RADIUS, color=DETAIL)
    thing = world.NanoObject("ball", "red", "blue", "plain", builder.table().astype(np.float32), period=0.2)
    return posed_object(thing, views=12, size=64, test_views=4)


def pixels_of(cameras, points: torch.Tensor) -> torch.Tensor:
    """Where points [P, 3] are in the pictures, in pixels right and down from the upper left corner, [B, P, 2]."""
    clip = cameras.clip_positions(points, 0.1, 10)
    flat = clip[..., :2] / clip[..., 3:] * torch.tensor([1.0, -1.0])
    return (flat + 1) / 2 * torch.tensor([cameras.width, cameras.height])


def test_a_ball_is_seen_where_the_cameras_project_it(ball):
    cover = ball.picture.alpha[..., 0]
    across = torch.arange(64) + 0.5
    middles = torch.stack([(cover * across).sum((1, 2)), (cover * across[:, None]).sum((1, 2))], -1)
    middles = middles / cover.sum((1, 2))[:, None]
    # the outline of a ball is an ellipse whose middle lies a little outside the projected centre: allow half a pixel
    assert (middles - pixels_of(ball.cameras, torch.tensor([CENTRE]))[:, 0]).abs().max() < 0.5


def test_colours_do_not_depend_on_the_view(ball):
    inside = ball.picture.color[ball.picture.alpha[..., 0] == 1]
    assert len(inside) > 16 * 10
    torch.testing.assert_close(inside, torch.tensor(COLORS["blue"]).expand_as(inside))


def test_points_of_the_surface_fall_on_opaque_pixels_in_every_view():
    thing = world.make_object("car", "red", "white", "plain", 3)
    images = posed_object(thing, views=8, size=64, test_views=0)
    axis = np.linspace(-world.BOUND, world.BOUND, 60, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    inside = torch.from_numpy(grid[thing.sdf(grid) < -0.02])
    assert len(inside) > 500
    columns, rows = pixels_of(images.cameras, inside).long().unbind(-1)
    seen = images.picture.alpha[torch.arange(8)[:, None], rows, columns]
    assert (seen > 0).all()


def test_silhouettes_carve_out_the_object():
    # space that projects into all silhouettes is the visual hull: it holds the object and is not much larger
    thing = world.make_object("car", "red", "white", "plain", 3)
    images = posed_object(thing, views=48, size=64, test_views=0)
    axis = np.linspace(-1, 1, 48, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    columns, rows = pixels_of(images.cameras, torch.from_numpy(grid)).long().clamp(0, 63).unbind(-1)
    hull = (images.picture.alpha[torch.arange(48)[:, None], rows, columns, 0] > 0).all(0).numpy()
    true = thing.sdf(grid) < 0
    assert (hull & true).sum() > 0.995 * true.sum() and hull.sum() < 1.25 * true.sum()


def test_views_stand_between_the_elevations_and_test_views_apart_from_them():
    train, test = spiral_cameras(48, 8, 0.0), posed_object(0, size=8).select("test").cameras
    assert train.elevation_deg.min() > -30 and train.elevation_deg.max() < 75 and len(test) == 16
    directions = [torch.nn.functional.normalize(cameras.light, dim=-1) for cameras in (train, test)]
    nearest = torch.rad2deg(torch.acos(directions[1] @ directions[0].T)).min(1).values
    assert nearest.min() > 8 and nearest.max() < 25


def test_a_set_goes_through_its_file(ball, tmp_path):
    save_posed_images(tmp_path, ball)
    read = load_posed_images(tmp_path)
    assert (read.picture.rgba - ball.picture.rgba).abs().max() <= 0.5 / 255 + 1e-6 and torch.equal(
        read.cameras.c2w, ball.cameras.c2w
    )


def test_a_number_is_an_object_of_the_training_split():
    numbered = posed_object(7, views=2, size=16, test_views=1)
    named = posed_object(world.sample_object(7, "train"), views=2, size=16, test_views=1)
    assert torch.equal(numbered.picture.rgba, named.picture.rgba)
