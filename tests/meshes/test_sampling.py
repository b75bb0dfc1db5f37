"""Points on surfaces: evenly by area, with the normals of their faces."""

import numpy as np
import pytest
import trimesh

from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.meshes.sampling import SurfaceSamples, sample_surface
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


def test_samples_carry_the_diagonal_of_the_mesh_and_not_that_of_their_points():
    samples = SurfaceSamples.of_mesh(box(2, 3, 6), 10, Draws(0, 0))
    assert samples.diagonal == pytest.approx(7) and samples.normals is not None
    assert SurfaceSamples.of_points(samples.points).diagonal < 7


def test_a_mesh_without_area_has_no_samples():
    with pytest.raises(EmptySurface, match="no area"):
        SurfaceSamples.of_mesh(Mesh(np.zeros((3, 3)), [[0, 1, 2]]), 10, Draws(0, 0))
