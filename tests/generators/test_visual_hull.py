"""The hull of a ball's silhouettes holds the ball, touches it where views see its rim, and ends at what is visible."""

import pytest
import torch

from ball_views import ball_views
from maquette.errors import ConfigError
from maquette.generators.visual_hull import Silhouettes, VisualHull, grid_points, visual_hull
from maquette.images.picture import Picture
from maquette.priors.base import Request
from maquette.randomness import Draws


def hull(views, **config):
    grid = visual_hull(views, VisualHull.Config(**{"resolution": 40, **config}))
    points = grid_points(grid.low, grid.cell, tuple(grid.distances.shape))
    return grid.distances.flatten(), points


def test_the_hull_holds_the_ball_and_little_more():
    distances, points = hull(ball_views(*range(0, 360, 30)), base_cut=False)
    ball = points.norm(dim=-1) < 0.49
    assert (distances[ball] < 0).all()
    beside = (points.norm(dim=-1) > 0.53) & (points[:, 2].abs() < 0.2)
    assert (distances[beside] > 0).all()


def test_distances_to_a_silhouette_are_right_to_a_tenth_of_a_pixel():
    views = ball_views(0.0, elevation=0.0, size=64)
    points = torch.stack([torch.zeros(9), torch.linspace(0.42, 0.58, 9), torch.zeros(9)], dim=-1)
    rim = 0.5 / (1 - (0.5 / 3) ** 2) ** 0.5  # in the plane through the centre, a ray that touches the ball is here
    pixel = 3 / float(views.cameras.focal[0])
    error = Silhouettes(views.picture, views.cameras).distances(points) - (points[:, 1] - rim)
    assert float(error.abs().max()) < 0.1 * pixel


def test_widening_adds_that_many_pixels():
    views = ball_views()
    points = torch.tensor([[0.0, 0.5, 0.0]])
    narrow, wide = (Silhouettes(views.picture, views.cameras, w).distances(points) for w in (0.0, 0.7))
    nearest = min(3 - 0.5, 3) / float(views.cameras.focal[0])
    assert 0.6 * nearest < float(narrow - wide) < 0.9 * 3.5 / float(views.cameras.focal[0])


def test_seen_from_above_only_the_hull_ends_at_the_lowest_visible_point():
    views = ball_views(elevation=20.0)
    lowest = {}
    for cut in (True, False):
        distances, points = hull(views, base_cut=cut)
        lowest[cut] = float(points[distances < 0][:, 2].min())
    assert lowest[False] < -0.53 and -0.5 < lowest[True] < -0.3


def test_the_cut_does_nothing_where_a_camera_looks_from_below():
    views = ball_views(elevation=-40.0)
    (cut, _), (whole, _) = hull(views), hull(views, base_cut=False)
    assert ((cut < 0) == (whole < 0)).float().mean() > 0.999


def test_silhouettes_without_common_volume_are_refused():
    views = ball_views()
    empty = type(views)(
        Picture(views.picture.color, torch.zeros_like(views.picture.alpha)), views.cameras, views.split, views.names
    )
    with pytest.raises(ConfigError, match="no volume in common"):
        hull(empty)


def test_a_hull_needs_pictures():
    with pytest.raises(ConfigError, match="needs pictures"):
        VisualHull(VisualHull.Config()).generate(Request(""), None, Draws(0, 0))
