"""The surface that conversions start from, and points on it."""

import numpy as np
import pytest
import trimesh
from coloured_ball import mesh_ball

from maquette.conversions._surfaces import clean_surface, decimate_within, sample_surface
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.randomness import Draws


def box(*sides: float) -> Mesh:
    body = trimesh.creation.box(sides)
    return Mesh(body.vertices, body.faces)


def test_points_are_spread_by_area_and_have_the_normals_of_their_faces():
    points, normals = sample_surface(box(1, 1, 3), 14_000, Draws(0, 0))
    ends = (normals[:, 2].abs() > 0.5).numpy()
    assert ends.mean() == pytest.approx(2 / 14, abs=0.01)
    assert np.abs(points[:, 2].numpy()[ends]) == pytest.approx(np.full(ends.sum(), 1.5))
    assert ((points * normals).sum(1) > 0).all()


def test_points_follow_from_the_draws():
    first, again, other = (
        sample_surface(box(1, 1, 1), 10, draws)[0] for draws in (Draws(0, 0), Draws(0, 0), Draws(1, 0))
    )
    assert first.equal(again) and not first.equal(other)


def test_an_explicit_mesh_stays_as_it_is():
    ball = mesh_ball()
    assert np.array_equal(clean_surface(ball).vertices, ball.surface(8).vertices)


def test_a_decimated_mesh_keeps_within_the_cube_and_to_its_number_of_faces():
    body = trimesh.creation.icosphere(3, 1.2)
    mesh = decimate_within(Mesh(body.vertices, body.faces), 200, bound=1.0)
    assert 0 < len(mesh.faces) <= 200 and np.abs(mesh.vertices).max() == 1.0
    with pytest.raises(EmptySurface, match="max_faces=1 leaves no face"):
        decimate_within(Mesh(body.vertices, body.faces), 1, bound=1.0)
