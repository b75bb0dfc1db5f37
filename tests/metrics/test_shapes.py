"""Metrics of shapes and views without weights, on cases whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import trimesh
from coloured_ball import CENTRE, RADIUS, field_ball, mesh_ball
from scipy.ndimage import distance_transform_cdt

from maquette.config.parts import PartSpec
from maquette.meshes.mesh import Mesh
from maquette.metrics._ring import Ring
from maquette.metrics.base import Case
from maquette.metrics.depth_normal import DepthNormal
from maquette.metrics.pictures import boundary_iou, compare_pictures, psnr
from maquette.metrics.reprojection import Reprojection
from maquette.metrics.round_trip import RoundTrip
from maquette.metrics.self_intersections import SelfIntersections
from maquette.metrics.subjects import FlatSubject, Nothing, mesh_scene
from maquette.metrics.truths.files import TruthFiles
from maquette.metrics.volume_iou import VolumeIou, volume_iou
from maquette.scene import RenderedViews


def box(*extents: float, shift: float = 0.0) -> Mesh:
    body = trimesh.creation.box(extents)
    return Mesh(body.vertices + np.array([shift, 0, 0]), body.faces)


def case_of(mesh: Mesh, folder) -> Case:
    mesh.to_trimesh().export(folder / "truth.ply")
    settings = TruthFiles.Config(surface=str(folder / "truth.ply"))
    return Case("it", {}, PartSpec("truth", "files", TruthFiles, settings))


def ball(radius: float, level: int = 5) -> Mesh:
    body = trimesh.creation.icosphere(level, radius)
    return Mesh(body.vertices, body.faces)


def test_volume_iou_of_nested_balls_is_the_ratio_of_their_volumes():
    assert volume_iou(ball(0.4, 3), ball(0.5, 3), 64) == pytest.approx((0.4 / 0.5) ** 3, abs=0.01)


def test_volume_iou_of_shifted_boxes_is_that_of_their_overlap():
    assert volume_iou(box(1, 1, 1), box(1, 1, 1, shift=0.5), 60) == pytest.approx(1 / 3, abs=0.02)


def test_volume_iou_does_not_mind_a_hole_nor_which_way_round_the_mesh_is_wound(tmp_path):
    whole = ball(0.5, 4)
    holed = Mesh(whole.vertices, whole.faces[10:, ::-1])
    measured = VolumeIou(VolumeIou.Config(samples=40))(mesh_scene(holed), case_of(whole, tmp_path))
    assert measured.values["iou"] > 0.97
    assert measured.facts == {"watertight": False, "truth_watertight": True}


def test_volume_iou_without_a_surface_is_nothing(tmp_path):
    assert VolumeIou(VolumeIou.Config())(Nothing(), case_of(ball(0.5), tmp_path)).values == {"iou": 0.0}


def test_depth_normal_errors_of_the_truth_itself_are_nothing(tmp_path):
    measured = DepthNormal(DepthNormal.Config(views=2, size=48))(mesh_scene(ball(0.5)), case_of(ball(0.5), tmp_path))
    assert measured.values["depth"] < 1e-4 and measured.values["normal_deg"] < 0.1


def test_depth_normal_of_a_smaller_ball_is_that_of_the_closed_form(tmp_path):
    """Along each ray through both balls the depths differ by the difference of two roots."""
    metric = DepthNormal(DepthNormal.Config(views=2, size=64, elevation_deg=0.0))
    measured = metric(mesh_scene(ball(0.4)), case_of(ball(0.5), tmp_path)).values
    origins, directions = metric.config.cameras()[:1].rays()
    along = -(origins * directions).sum(-1)
    off = (origins.square().sum(-1) - along.square()).clamp(min=0)
    inside = off < 0.4**2
    depths = (0.5**2 - off[inside]).sqrt() - (0.4**2 - off[inside]).sqrt()
    assert measured["depth"] == pytest.approx(float(depths.mean()), abs=0.004)
    turns = torch.rad2deg((off[inside].sqrt() / 0.4).arcsin() - (off[inside].sqrt() / 0.5).arcsin())
    assert measured["normal_deg"] == pytest.approx(float(turns.mean()), abs=0.5)


def test_depth_normal_of_nothing_is_missing(tmp_path):
    assert DepthNormal(DepthNormal.Config(views=2, size=32))(Nothing(), case_of(ball(0.5), tmp_path)).values == {}


REPROJECTION = Reprojection(Reprojection.Config(views=8, size=64))


def test_reprojection_of_one_object_is_consistent():
    values = REPROJECTION(mesh_ball(), Case("a ball")).values
    assert values["inconsistent"] < 0.02 and values["color"] < 0.02


class Recoloured(FlatSubject):
    """A ball whose even views are of one grey and the odd ones of another, at a depth that may be wrong."""

    def __init__(self, depth_factor: float = 1.0) -> None:
        self.ball, self.depth_factor = mesh_ball(), depth_factor

    def render_cameras(self, cameras, normals=True) -> RenderedViews:
        views = self.ball.render_cameras(cameras, normals=False)
        grey = torch.tensor([0.2, 0.7]).repeat(len(cameras))[: len(cameras), None, None, None]
        picture = type(views.picture)(grey.expand_as(views.picture.color), views.picture.alpha)
        return RenderedViews(views.rgb, picture, views.depth * self.depth_factor)


def test_reprojection_measures_the_difference_of_views_of_other_colours():
    assert REPROJECTION(Recoloured(), Case("a ball")).values["color"] == pytest.approx(0.5, abs=1e-3)


def test_reprojection_sees_that_views_of_wrong_depth_contradict_each_other():
    """Points at 80 % of their distance hang in front of what the next view sees."""
    assert REPROJECTION(Recoloured(0.8), Case("a ball")).values["inconsistent"] > 0.5


def test_reprojection_of_nothing_is_no_consistency():
    assert REPROJECTION(Nothing(), Case("nothing")).values == {"inconsistent": 1.0}


def test_round_trip_keeps_a_coloured_mesh_and_says_what_it_is_of_a_field():
    settings = RoundTrip.Config(views=2, size=64, texture_size=256, resolution=64)
    kept = RoundTrip(settings)(mesh_ball(), Case("a ball"))
    assert kept.values["psnr"] > 30 and kept.values["silhouette_iou"] > 0.98 and kept.facts["bytes"] > 1000
    field = RoundTrip(settings)(field_ball(), Case("a ball")).values
    assert field["silhouette_iou"] > 0.95 and 20 < field["psnr"] < 100


def test_round_trip_loses_the_colours_that_the_texture_has_no_texels_for():
    sharp, blurred = (
        RoundTrip(RoundTrip.Config(views=2, size=64, texture_size=size))(mesh_ball(), Case("a ball")).values["psnr"]
        for size in (256, 16)
    )
    assert blurred < sharp - 3


def test_self_intersections_of_a_ball_are_none_and_of_two_some():
    metric = SelfIntersections(SelfIntersections.Config())
    one = ball(0.3)
    two = Mesh(
        np.concatenate([one.vertices, one.vertices + np.array([0.3, 0.01, 0.02])]),
        np.concatenate([one.faces, one.faces + len(one.vertices)]),
    )
    assert metric(mesh_scene(one), Case("a ball")).values == {"faces": 0.0}
    crossed = metric(mesh_scene(two), Case("balls"))
    assert 0 < crossed.values["faces"] < 0.1 and crossed.facts["faces"] == len(two.faces)
    assert metric(Nothing(), Case("nothing")).values == {}


def test_ring_cameras_stand_around_the_object():
    cameras = Ring(4, 0.0, 8).cameras()
    assert torch.allclose(cameras.c2w[1, :3, 3], torch.tensor([0.0, 3.2, 0.0]), atol=1e-5)


def test_the_foreground_has_a_psnr_of_its_own():
    """A square of 8 x 8 of 32 x 32 pixels, all of which is off by 0.1: the picture gains by its white margin."""
    from maquette.images.picture import Picture

    alpha = torch.zeros(1, 32, 32, 1)
    alpha[:, 12:20, 12:20] = 1
    ours, truth = (Picture(torch.full((1, 32, 32, 3), grey), alpha) for grey in (0.5, 0.4))
    row = compare_pictures(ours, truth)[0]
    assert row["psnr_foreground"] == pytest.approx(20, abs=1e-4)
    assert row["psnr"] == pytest.approx(20 + 10 * math.log10(32**2 / 8**2), abs=1e-4)
    assert psnr(torch.zeros(4, 3), torch.zeros(4, 3)) == 100


@pytest.mark.parametrize("shift", [0, 1, 3, 12])
def test_boundary_iou_is_that_of_distances_to_the_outside(shift):
    one, other = torch.zeros(2, 96, 96, dtype=torch.bool)
    one[20:60, 20:60] = True
    other[20:60, 20 + shift : 60 + shift] = True
    width = round(0.02 * math.hypot(96, 96))

    def boundary(mask: torch.Tensor) -> np.ndarray:
        return mask.numpy() & (distance_transform_cdt(mask.numpy(), "chessboard") <= width)

    first, second = boundary(one), boundary(other)
    assert boundary_iou(one, other) == pytest.approx((first & second).sum() / (first | second).sum())
    assert np.all(np.abs(np.array(CENTRE)) < RADIUS)


def test_boundary_iou_of_nothing_is_one():
    nothing = torch.zeros(8, 8, dtype=torch.bool)
    assert boundary_iou(nothing, nothing) == 1
