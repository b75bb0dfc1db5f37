"""Distances between surfaces whose distance is known."""

import numpy as np
import pytest
import torch
import trimesh

from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.meshes.sampling import SurfaceSamples
from maquette.metrics.geometry import compare_meshes, compare_surfaces


def ball(radius: float, outward: bool = True) -> Mesh:
    body = trimesh.creation.icosphere(5, radius)
    return Mesh(body.vertices, body.faces if outward else body.faces[:, ::-1])


def plate(height: float = 0.0, turn_deg: float = 0.0) -> Mesh:
    """A square of side 2 at this height, turned about the x axis."""
    turn = trimesh.transformations.rotation_matrix(np.radians(turn_deg), [1, 0, 0])
    corners = trimesh.transform_points(np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]), turn)
    return Mesh(corners + np.array([0, 0, height]), [[0, 1, 2], [0, 2, 3]])


def test_the_chamfer_distance_of_concentric_spheres_is_the_difference_of_their_radii():
    # the nearest sample lies beside the nearest point: at 0.1 that adds less than half a thousandth
    comparison = compare_meshes(ball(0.6), ball(0.5), 30_000)
    assert comparison.chamfer == pytest.approx(0.1, abs=5e-4)
    assert comparison.diagonal == pytest.approx(3**0.5, rel=1e-3)
    assert comparison.values()["chamfer_relative"] == pytest.approx(0.1 / 3**0.5, rel=0.01)
    assert comparison.normal_consistency == pytest.approx(1, abs=2e-3)


def test_the_chamfer_distance_of_a_mesh_to_itself_is_the_spacing_of_the_samples():
    # a Poisson process of n points on an area A has a mean nearest distance of sqrt(A / n) / 2
    for samples in (2_000, 20_000):
        expected = 0.5 * np.sqrt(4 * np.pi * 0.25 / samples)
        assert compare_meshes(ball(0.5), ball(0.5), samples).chamfer == pytest.approx(expected, rel=0.05)


def test_f_scores_switch_at_one_and_two_per_cent_of_the_true_diagonal():
    diagonal = 8**0.5
    scores = [compare_meshes(plate(share * diagonal), plate(), 20_000).f_scores for share in (0.005, 0.015, 0.025)]
    assert [round(score["1"], 2) for score in scores] == [1, 0, 0]
    assert [round(score["2"], 2) for score in scores] == [1, 1, 0]


def test_the_true_surface_sets_the_thresholds_and_not_ours():
    near, far = compare_meshes(ball(0.5), ball(0.51), 20_000), compare_meshes(ball(5), ball(5.1), 20_000)
    assert near.f_scores["2"] == far.f_scores["2"] == 1.0
    assert compare_meshes(plate(0.05), plate()).f_scores["2"] == 1.0
    smaller = Mesh(plate().vertices / 2, plate().faces)
    assert compare_meshes(plate(0.05), smaller, 2_000).precision["2"] == 0


def test_the_f_score_is_the_harmonic_mean_of_precision_and_recall():
    two = Mesh(
        np.concatenate([plate().vertices, plate(1.0).vertices]), np.concatenate([plate().faces, plate().faces + 4])
    )
    comparison = compare_meshes(two, plate(), 20_000)
    assert comparison.precision["2"] == pytest.approx(0.5, abs=0.02) and comparison.recall["2"] == 1
    assert comparison.f_scores["2"] == pytest.approx(2 / 3, abs=0.02)
    assert comparison.to_truth == pytest.approx(0.5, abs=0.02) and comparison.from_truth < 0.02


def test_nothing_is_aligned():
    moved = Mesh(ball(0.5).vertices + np.array([0.3, 0, 0]), ball(0.5).faces)
    assert compare_meshes(moved, ball(0.5), 5_000).chamfer > 0.1


@pytest.mark.parametrize("turn_deg", [10.0, 30.0, 60.0])
def test_the_normal_consistency_of_turned_normals_is_the_cosine_of_the_angle(turn_deg):
    points = torch.rand(5_000, 3, generator=torch.Generator().manual_seed(0))
    up = torch.tensor([0.0, 0, 1]).expand_as(points)
    angle = np.radians(turn_deg)
    turned = torch.tensor([0.0, -np.sin(angle), np.cos(angle)]).float().expand_as(points)
    comparison = compare_surfaces(SurfaceSamples(points, 1.0, turned), SurfaceSamples(points, 1.0, up))
    assert comparison.normal_consistency == pytest.approx(np.cos(angle), abs=1e-5)


def test_the_normals_of_a_sphere_turned_inside_out_are_wrong_everywhere():
    assert compare_meshes(ball(0.5, outward=False), ball(0.5), 10_000).normal_consistency == pytest.approx(-1, abs=0.01)


def test_points_without_normals_have_no_normal_consistency():
    points = SurfaceSamples.of_points(torch.rand(100, 3))
    assert set(compare_surfaces(points, points).values()) == {
        "chamfer", "chamfer_relative", "f_score_1", "f_score_2"
    }  # fmt: skip


def test_the_same_meshes_give_the_same_figures_again():
    assert compare_meshes(ball(0.5), plate(), 2_000) == compare_meshes(ball(0.5), plate(), 2_000)


def test_a_surface_without_area_cannot_be_compared():
    with pytest.raises(EmptySurface):
        compare_meshes(Mesh([], []), ball(1))
