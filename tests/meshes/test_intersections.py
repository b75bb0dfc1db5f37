"""Self-intersections of meshes for which they are known."""

from __future__ import annotations

import numpy as np
import trimesh

from maquette.meshes.intersections import intersecting_faces
from maquette.meshes.mesh import Mesh


def mesh_of(*bodies: trimesh.Trimesh) -> Mesh:
    body = trimesh.util.concatenate(bodies)
    return Mesh(body.vertices, body.faces)


def ball(shift: float) -> trimesh.Trimesh:
    body = trimesh.creation.icosphere(3, 0.5)
    body.apply_translation((shift, 0.013, 0.007))
    return body


def test_a_ball_does_not_intersect_itself():
    assert not intersecting_faces(mesh_of(ball(0))).any()


def test_balls_that_are_apart_or_inside_each_other_do_not_intersect():
    inner = trimesh.creation.icosphere(2, 0.2)
    assert not intersecting_faces(mesh_of(ball(0), ball(2), inner)).any()


def test_the_faces_along_the_circle_of_two_balls_intersect_and_no_others():
    overlapping = mesh_of(ball(-0.25), ball(0.25))
    crossed = intersecting_faces(overlapping)
    middle = overlapping.vertices[overlapping.faces].mean(1)
    circle = np.hypot(np.hypot(middle[:, 1], middle[:, 2]) - np.sqrt(0.5**2 - 0.25**2), middle[:, 0])
    assert crossed.sum() > 40 and circle[crossed].max() < 0.12


def test_intersections_are_those_of_a_search_over_all_pairs():
    """Beside trimesh's rays: the edges of random triangles that pierce another one."""
    generator = np.random.default_rng(0)
    corners = generator.random((60, 3, 3)) * np.array([1, 1, 0.4])
    soup = Mesh(corners.reshape(-1, 3), np.arange(180).reshape(-1, 3))
    triangles = soup.vertices[soup.faces].astype(float)
    expected = np.zeros(60, bool)
    for edge in range(3):
        start, end = triangles[:, edge], triangles[:, (edge + 1) % 3]
        along = end - start
        index, ray, place = trimesh.Trimesh(soup.vertices, soup.faces, process=False).ray.intersects_id(
            start, along / np.linalg.norm(along, axis=1, keepdims=True), multiple_hits=True, return_locations=True
        )
        reach = np.linalg.norm(place - start[ray], axis=1) / np.linalg.norm(along[ray], axis=1)
        hit = (reach > 1e-6) & (reach < 1 - 1e-6) & (index != ray)
        expected[index[hit]] = expected[ray[hit]] = True
    assert intersecting_faces(soup).tolist() == expected.tolist()


def test_an_empty_mesh_has_no_faces_that_intersect():
    assert len(intersecting_faces(Mesh([], []))) == 0
