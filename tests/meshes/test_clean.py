import numpy as np
import pytest
import torch
import trimesh

from maquette.meshes.clean import clean, decimate, fill_cavities, keep_components, remove_degenerate, simplify, smooth
from maquette.meshes.isosurface import extract_surface
from maquette.meshes.mesh import Mesh
from maquette.meshes.topology import is_watertight


def balls(*centres_and_radii):
    def density(points):
        inside = [(points - torch.tensor(c)).norm(dim=-1) < r for c, r in centres_and_radii]
        return 50.0 * torch.stack(inside).any(0)

    return extract_surface(density, 1.0, 64)


def test_small_components_go_and_large_ones_stay():
    mesh = balls(((0.4, 0.0, 0.0), 0.4), ((-0.5, 0.0, 0.0), 0.3), ((0.0, 0.8, 0.8), 0.06))
    kept = keep_components(mesh, 0.05)
    assert kept.bounds[1, 2] < 0.5
    assert kept.bounds[0, 0] == pytest.approx(-0.8, abs=0.02)
    assert keep_components(mesh, 1.0).bounds[0, 0] == pytest.approx(0.0, abs=0.02)
    assert len(keep_components(mesh, 0.0).faces) == len(mesh.faces)


def test_cavity_of_a_hollow_ball_is_filled():
    hollow = extract_surface(lambda p: 50.0 * ((p.norm(dim=-1) < 0.7) & (p.norm(dim=-1) > 0.4)), 1.0, 48)
    filled = fill_cavities(hollow)
    assert np.linalg.norm(filled.vertices, axis=1).min() > 0.6
    assert filled.volume == pytest.approx(4 / 3 * np.pi * 0.7**3, rel=0.03)


def test_degenerate_and_repeated_faces_and_loose_vertices_go():
    vertices = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0], [9, 9, 9]]
    mesh = remove_degenerate(Mesh(vertices, [[0, 1, 2], [0, 0, 1], [0, 1, 3], [1, 2, 0]], vertex_colors=np.eye(5, 3)))
    assert mesh.faces.tolist() == [[0, 1, 2]]
    assert len(mesh.vertices) == len(mesh.vertex_colors) == 3


def test_decimation_reaches_its_number_and_keeps_the_shape(surface):
    coarse = decimate(surface, 3000)
    assert 2500 < len(coarse.faces) <= 3000
    assert coarse.volume == pytest.approx(surface.volume, rel=0.01)
    assert decimate(coarse, 10_000) is coarse


def test_taubin_smoothing_calms_normals_and_keeps_volume():
    generator = np.random.default_rng(0)
    ball = balls(((0.0, 0.0, 0.0), 0.6))
    rough = Mesh(ball.vertices + generator.normal(0, 0.004, ball.vertices.shape), ball.faces)
    calm = smooth(rough, 10)

    def roughness(mesh):
        return np.linalg.norm(mesh.vertices, axis=1).std()

    assert roughness(calm) < 0.6 * roughness(rough)
    assert calm.volume == pytest.approx(rough.volume, rel=0.01)
    assert smooth(rough, 0) is rough


def test_clean_leaves_a_good_mesh_whole(surface):
    assert clean(surface).volume == pytest.approx(surface.volume, rel=1e-3)


def test_simplify_leaves_flat_sides_few_faces_and_stays_within_the_tolerance():
    body = trimesh.creation.box()
    for _ in range(5):
        body = body.subdivide()
    few = simplify(Mesh(body.vertices, body.faces), 30_000, 0.001)
    assert len(few.faces) < 1000 and is_watertight(few)
    np.testing.assert_allclose(few.bounds, body.bounds, atol=0.002)


def test_simplify_keeps_what_a_bumpy_surface_needs():
    body = trimesh.creation.icosphere(5)
    bumps = 1 + 0.02 * np.sin(12 * body.vertices).prod(1, keepdims=True) * 4
    bumpy = Mesh(body.vertices * bumps, body.faces)
    smooth_count = len(simplify(Mesh(body.vertices, body.faces), 30_000, 0.001).faces)
    few = simplify(bumpy, 30_000, 0.001)
    assert len(few.faces) > smooth_count
    distance = np.linalg.norm(few.vertices, axis=1) - 1
    assert np.abs(distance).max() > 0.02


def test_simplify_without_tolerance_only_heeds_the_number_of_faces():
    body = trimesh.creation.icosphere(4)
    assert 1900 <= len(simplify(Mesh(body.vertices, body.faces), 2000, 0.0).faces) <= 2000
