"""Closest points are those of a search through every triangle."""

import numpy as np
import pytest
import trimesh
from trimesh.proximity import closest_point_naive

from maquette.meshes.closest_points import closest_points
from maquette.meshes.tree import TriangleTree


def uneven() -> trimesh.Trimesh:
    """A box of twelve large triangles with a finely cut ball half sunk into one side."""
    ball = trimesh.creation.icosphere(3, 0.1)
    ball.apply_translation([0.5, 0.1, 0.2])
    return trimesh.util.concatenate([trimesh.creation.box(), ball])


@pytest.mark.parametrize("away", [0.0, 0.01, 0.5])
def test_they_agree_with_a_search_through_all_triangles(away):
    body, numbers = uneven(), np.random.default_rng(0)
    points = trimesh.sample.sample_surface(body, 300, seed=0)[0] + away * numbers.normal(size=(300, 3))
    face, weights, distance = closest_points(TriangleTree(body.vertices, body.faces), points)
    _, expected, _ = closest_point_naive(body, points)
    np.testing.assert_allclose(distance, expected, atol=1e-9)
    found = np.einsum("nk,nkd->nd", weights, body.vertices[body.faces[face]])
    np.testing.assert_allclose(np.linalg.norm(found - points, axis=1), distance, atol=1e-9)


def test_weights_are_those_of_a_point_inside_its_face():
    body = trimesh.creation.icosphere(2)
    corners = np.random.default_rng(0).dirichlet([1, 1, 1], len(body.faces))
    points = np.einsum("nk,nkd->nd", corners, body.vertices[body.faces])
    face, weights, distance = closest_points(TriangleTree(body.vertices, body.faces), points)
    assert (face == np.arange(len(body.faces))).all() and distance.max() < 1e-12
    np.testing.assert_allclose(weights, corners, atol=1e-9)


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_any_number_of_faces_makes_a_tree(count):
    body = trimesh.creation.box()
    points = np.random.default_rng(0).normal(size=(50, 3))
    face, _, distance = closest_points(TriangleTree(body.vertices, body.faces[:count]), points)
    _, expected, _ = closest_point_naive(trimesh.Trimesh(body.vertices, body.faces[:count], process=False), points)
    np.testing.assert_allclose(distance, expected, atol=1e-12)
    assert face.max() < count


def test_faces_without_area_do_no_harm():
    vertices, faces = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 2, 2]]), np.array([[0, 1, 2], [3, 3, 3]])
    face, weights, distance = closest_points(TriangleTree(vertices, faces), np.array([[2.0, 2, 2], [0, 0, 1]]))
    assert face.tolist() == [1, 0] and distance.tolist() == [0, 1]
    np.testing.assert_allclose(weights.sum(1), 1)
