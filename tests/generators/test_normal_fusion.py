"""Fused normals make a rounder ball than the hull of four silhouettes, within that hull."""

import pytest
import torch

from ball_views import ball_views
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError
from maquette.generators.normal_fusion import NormalFusion, fuse_normals
from maquette.generators.visual_hull import VisualHull, grid_points, visual_hull
from maquette.priors.base import Request
from maquette.randomness import Draws


def ball_normals(views: PosedImages) -> torch.Tensor:
    """Normals of the ball in each camera's frame."""
    origins, directions = views.cameras.rays()
    along = -(origins * directions).sum(-1, keepdim=True)
    nearest = origins + directions * along
    hit = nearest - directions * (0.25 - nearest.square().sum(-1, keepdim=True)).clamp(min=0).sqrt()
    return torch.einsum("bij,bhwi->bhwj", views.cameras.c2w[:, :3, :3], torch.nn.functional.normalize(hit, dim=-1))


HULL = VisualHull.Config(resolution=40)


def test_a_ball_is_rounder_than_its_hull_and_within_it():
    views = ball_views(size=64)
    config = NormalFusion.Config("nano-depth-normals", hull=HULL, blur=0.0)
    grid, hull = fuse_normals(views, ball_normals(views), config), visual_hull(views, HULL)
    points = grid_points(grid.low, grid.cell, tuple(grid.distances.shape))
    inside, in_hull = (g.distances.flatten() < 0 for g in (grid, hull))
    assert not (inside & ~in_hull).any()
    ball = points.norm(dim=-1) < 0.5

    def overlap(shape: torch.Tensor) -> float:
        return float((shape & ball).sum() / (shape | ball).sum())

    assert overlap(inside) > overlap(in_hull) and overlap(inside) > 0.91


def test_estimated_normals_carve_the_hull():
    views = ball_views(size=64, lit=True)
    generator = NormalFusion(NormalFusion.Config("nano-depth-normals", hull=HULL))
    grid, hull = generator.generate(Request(""), views, Draws(0, 0)), visual_hull(views, HULL)
    assert 0.6 < float((grid.distances < 0).sum() / (hull.distances < 0).sum()) < 0.98


def test_normal_fusion_needs_pictures():
    with pytest.raises(ConfigError, match="needs pictures"):
        NormalFusion(NormalFusion.Config("nano-depth-normals")).generate(Request(""), None, Draws(0, 0))


def test_an_unknown_estimator_is_refused_at_once():
    with pytest.raises(ValueError, match="there are no weights"):
        NormalFusion.Config("./nowhere")
