"""The surface that conversions start from."""

import numpy as np
import pytest
import trimesh
from coloured_ball import mesh_ball

from maquette.conversions._surfaces import clean_surface, decimate_within
from maquette.meshes.mesh import EmptySurface, Mesh


def test_an_explicit_mesh_stays_as_it_is():
    ball = mesh_ball()
    assert np.array_equal(clean_surface(ball).vertices, ball.surface(8).vertices)


def test_a_decimated_mesh_keeps_within_the_cube_and_to_its_number_of_faces():
    body = trimesh.creation.icosphere(3, 1.2)
    mesh = decimate_within(Mesh(body.vertices, body.faces), 200, bound=1.0)
    assert 0 < len(mesh.faces) <= 200 and np.abs(mesh.vertices).max() == 1.0
    with pytest.raises(EmptySurface, match="max_faces=1 leaves no face"):
        decimate_within(Mesh(body.vertices, body.faces), 1, bound=1.0)
