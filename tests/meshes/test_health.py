"""Health of meshes whose faults are known, beside trimesh's verdict."""

import numpy as np
import pytest
import trimesh

from maquette.meshes.health import MeshHealth, mean_dihedral_deg, mesh_health, roughness, welded
from maquette.meshes.mesh import Mesh


def as_mesh(body: trimesh.Trimesh) -> Mesh:
    return Mesh(body.vertices, body.faces)


BOX, BALL = as_mesh(trimesh.creation.box()), as_mesh(trimesh.creation.icosphere(4))
HEALTHY = MeshHealth(watertight=True, components=1, open_edges=0, non_manifold_edges=0, outward=True)


def beside(one: Mesh, other: Mesh, shift: tuple[float, float, float]) -> Mesh:
    """Both in one mesh, the second one shifted."""
    vertices = np.concatenate([one.vertices, other.vertices + np.array(shift, np.float32)])
    return Mesh(vertices, np.concatenate([one.faces, other.faces + len(one.vertices)]))


def test_a_box_is_healthy_also_where_a_texture_cuts_its_edges():
    cut = Mesh(BOX.vertices[BOX.faces.reshape(-1)], np.arange(36).reshape(12, 3))
    assert mesh_health(BOX) == mesh_health(cut) == HEALTHY


def test_a_box_without_a_triangle_has_three_open_edges():
    health = mesh_health(Mesh(BOX.vertices, BOX.faces[1:]))
    assert not health.watertight and health.open_edges == 3 and health.non_manifold_edges == 0


def test_a_box_turned_inside_out_does_not_point_outward():
    health = mesh_health(Mesh(BOX.vertices, BOX.faces[:, ::-1]))
    assert health.watertight and not health.outward


def test_boxes_apart_are_two_components_and_boxes_that_share_an_edge_have_a_non_manifold_one():
    assert mesh_health(beside(BOX, BOX, (3, 0, 0))).components == 2
    touching = mesh_health(beside(BOX, BOX, (1, 1, 0)))
    assert touching.components == 1 and touching.non_manifold_edges == 1 and touching.watertight


def test_verdicts_are_those_of_trimesh():
    for body in (trimesh.creation.torus(1, 0.3), trimesh.creation.annulus(0.4, 1, 1)):
        holed = trimesh.Trimesh(body.vertices, body.faces[:-2], process=False)
        for each in (body, holed):
            health = mesh_health(as_mesh(each))
            assert health.watertight == each.is_watertight and health.components == each.body_count


def test_nothing_is_not_healthy():
    assert mesh_health(Mesh([], [])) == MeshHealth(False, 0, 0, 0, False)


def test_the_mean_dihedral_angle_of_a_dodecahedron_is_that_of_its_faces():
    # 30 edges between faces at 63.43 degrees, and two diagonals in each of the twelve pentagons
    angle = 180 - np.degrees(np.arccos(-1 / np.sqrt(5)))
    body = trimesh.convex.convex_hull(_dodecahedron())
    assert mean_dihedral_deg(as_mesh(body)) == pytest.approx(30 * angle / (30 + 24), rel=1e-3)


def test_roughness_is_one_beside_oneself_and_grows_with_noise():
    noise = np.random.default_rng(0).normal(0, 0.01, BALL.vertices.shape)
    assert roughness(BALL, BALL) == 1.0
    assert roughness(Mesh(BALL.vertices + noise, BALL.faces), BALL) > 2


def test_roughness_compares_meshes_at_the_same_number_of_faces():
    coarse = as_mesh(trimesh.creation.icosphere(3))
    assert mean_dihedral_deg(coarse) > 1.5 * mean_dihedral_deg(BALL)
    assert roughness(BALL, coarse) == pytest.approx(1, abs=0.15)


def test_welding_joins_equal_positions_and_leaves_out_faces_without_area():
    doubled = Mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]], [[0, 1, 2], [0, 3, 4], [0, 1, 3]])
    assert len(welded(doubled).vertices) == 4 and len(welded(doubled).faces) == 2


def _dodecahedron() -> np.ndarray:
    golden = (1 + 5**0.5) / 2
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    rectangle = np.array([(0, y / golden, z * golden) for y in (-1, 1) for z in (-1, 1)])
    return np.concatenate([signs, *(np.roll(rectangle, turn, axis=1) for turn in range(3))])
