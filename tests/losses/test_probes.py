"""Losses that look at the scene once more, against scenes whose answers are known."""

import math

import pytest
import torch

from maquette.backgrounds.solid import Solid
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.config import load_method
from maquette.errors import ConfigError
from maquette.geometry.base import Field, FieldSample
from maquette.geometry.sdf_grid import SDFGrid
from maquette.losses.base import RenderContext
from maquette.losses.depth_smoothness import DepthSmoothness
from maquette.losses.near_view import NearView
from maquette.losses.normal_smoothness_3d import NormalSmoothness3D
from maquette.materials.base import Shading
from maquette.materials.plain import Plain
from maquette.randomness import Draws
from maquette.renderers.base import RaySampleValues, Rendering, View
from maquette.renderers.volume import Volume

SIZE = 8


def cameras(count: int = 1) -> Cameras:
    azimuth = torch.arange(count) * 70.0
    return orbit_cameras(azimuth, 0 * azimuth + 20, 0 * azimuth + 2, 0 * azimuth + 49, SIZE)


def picture(rgb=0.0, opacity=1.0, depth=2.0, count: int = 1, **entries) -> Rendering:
    def filled(value, channels: int) -> torch.Tensor:
        return torch.as_tensor(value, dtype=torch.float32).expand(count, SIZE, SIZE, channels)

    drawn = {"normal": None, "samples": None, "shading": Shading(), **entries}
    return Rendering(
        rgb=filled(rgb, 3), opacity=filled(opacity, 1), depth=filled(depth, 1), background=filled(1.0, 3), **drawn
    )


def surroundings(render=None, geometry=None, count: int = 1) -> RenderContext:
    return RenderContext(cameras(count), geometry, render, Draws(0, 0))


def test_the_camera_nearby_is_a_radius_away_and_looks_at_the_same_point():
    seen = []

    def render(some: Cameras) -> Rendering:
        seen.append(some)
        return picture(count=3)

    around = surroundings(render, count=3)
    NearView(NearView.Config(radius=0.05))(picture(count=3), around)
    (near,) = seen
    eye, backward = near.c2w[:, :3, 3], near.c2w[:, :3, 2]
    away = eye - around.cameras.c2w[:, :3, 3]
    assert away.norm(dim=-1).tolist() == pytest.approx([0.05] * 3, rel=1e-4)
    assert len({round(float(x), 4) for x in away[:, 0]}) == 3  # each camera in a direction of its own
    torch.testing.assert_close(backward, eye / eye.norm(dim=-1, keepdim=True))  # at the origin
    torch.testing.assert_close(torch.linalg.det(near.c2w), torch.ones(3))


def test_near_view_is_the_mean_difference_of_colour_and_depth():
    near = picture(rgb=[0.5, 0.2, 0.2], depth=2.5)
    value = NearView(NearView.Config())(picture(rgb=0.2), surroundings(lambda _: near))
    assert float(value) == pytest.approx(0.1 + 0.5, rel=1e-5)


def test_what_covers_less_lets_the_far_background_through():
    near = picture(opacity=0.5)
    value = NearView(NearView.Config(behind=10))(picture(), surroundings(lambda _: near))
    assert float(value) == pytest.approx(0.5 * (10 - 2), rel=1e-5)


def test_latents_are_compared_instead_of_colours():
    ours, near = (picture(rgb=x, latents=torch.full((1, SIZE, SIZE, 4), y)) for x, y in ((0.0, 1.0), (1.0, -2.0)))
    assert float(NearView(NearView.Config())(ours, surroundings(lambda _: near))) == pytest.approx(3.0)


def test_a_slope_of_depth_costs_half_of_it_and_an_edge_counts_the_background():
    loss = DepthSmoothness(DepthSmoothness.Config(behind=10))
    slope = picture(depth=0.3 * torch.arange(SIZE)[None, None, :, None])
    assert float(loss(slope, None)) == pytest.approx(0.15, rel=1e-5)
    half = (torch.arange(SIZE) < SIZE // 2).float()[None, :, None, None]
    assert float(loss(picture(opacity=half, depth=2 * half), None)) == pytest.approx(
        (10 - 2) / (SIZE - 1) / 2, rel=1e-5
    )


def test_depth_smoothness_begins_half_way():
    weight = DepthSmoothness.Config().weight
    assert [weight(step, 100) for step in (0, 49, 50, 99)] == [0, 0, 1e4, 1e4]


class Ball(Field):
    """Normals point away from the origin."""

    bound = 1.0

    def query(self, points, normals=False):
        return FieldSample(points.norm(dim=-1), points, torch.nn.functional.normalize(points, dim=-1))


class Slab(Field):
    """Normals point up everywhere."""

    bound = 1.0

    def query(self, points, normals=False):
        return FieldSample(points[:, 2], points, torch.tensor([0.0, 0, 1]).expand_as(points))


def samples_at(geometry: Field, points: torch.Tensor, weights: torch.Tensor) -> Rendering:
    normals = geometry.query(points, normals=True).normal
    rays = torch.arange(len(points))
    return picture(samples=RaySampleValues(weights, rays * 0.0, rays, len(points), normals, points, points=points))


def test_normal_smoothness_3d_of_a_ball_is_the_jitter_over_its_radius():
    # at (r, 0, 0) a normal turns by (0, d_y, d_z) / r to first order, and E |d| = sqrt(2 / pi) jitter
    points = torch.tensor([[0.5, 0.0, 0.0]]).expand(8192, 3)
    seen = samples_at(Ball(), points, torch.ones(8192))
    value = NormalSmoothness3D(NormalSmoothness3D.Config(jitter=0.01))(seen, surroundings(geometry=Ball()))
    assert float(value) == pytest.approx(2 / 3 * math.sqrt(2 / math.pi) * 0.01 / 0.5, rel=0.02)


def test_a_slab_is_smooth():
    seen = samples_at(Slab(), torch.rand(50, 3), torch.ones(50))
    assert float(NormalSmoothness3D(NormalSmoothness3D.Config())(seen, surroundings(geometry=Slab()))) == 0


def test_samples_count_as_much_as_they_are_seen():
    sharp, flat = torch.tensor([[0.01, 0, 0]]).expand(50, 3), torch.tensor([[0.9, 0, 0]]).expand(50, 3)
    loss, around = NormalSmoothness3D(NormalSmoothness3D.Config()), surroundings(geometry=Ball())
    points = torch.cat([sharp, flat])
    both, hidden = (
        float(loss(samples_at(Ball(), points, torch.tensor([weight, 1.0]).repeat_interleave(50)), around))
        for weight in (1.0, 0.0)
    )
    assert hidden == pytest.approx(2 / 3 * math.sqrt(2 / math.pi) * 0.01 / 0.9, rel=0.3) and both > 10 * hidden


def test_it_trains_the_field_and_leaves_the_weights_alone():
    geometry = SDFGrid(SDFGrid.Config(levels=4, log2_table_size=10, base_resolution=4, finest_resolution=32))
    torch.nn.init.normal_(geometry.mlp[-1].weight, std=0.1)
    seen = Volume(Volume.Config(samples=16), bound=1.0).render(
        geometry, Plain(Plain.Config()), Solid(Solid.Config()), View(cameras(), Shading(), True, Draws(0, 0))
    )
    loss = NormalSmoothness3D(NormalSmoothness3D.Config(samples=300))
    seen.samples.weights.retain_grad()
    loss(seen, surroundings(geometry=geometry)).backward()
    assert geometry.table.grad.abs().sum() > 0 and seen.samples.weights.grad is None


def test_empty_space_is_smooth():
    nothing = samples_at(Ball(), torch.zeros(0, 3), torch.zeros(0))
    assert float(NormalSmoothness3D(NormalSmoothness3D.Config())(nothing, surroundings(geometry=Ball()))) == 0


def test_a_surface_without_samples_is_refused():
    words = ["prompt=a mug", "stages.fine.losses.normal-smoothness-3d={weight: 1.0}"]
    with pytest.raises(ConfigError, match="loss 'normal-smoothness-3d' needs samples, which renderer 'mesh'"):
        load_method("magic3d", words)
