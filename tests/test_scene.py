"""A scene answers for its shape and colours, whatever its geometry is."""

import numpy as np
import pytest
import torch
import trimesh
from coloured_ball import CENTRE, RADIUS, VOLUME, empty, field_ball, mesh_ball

from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.meshes.texture import bake, unwrap

MIDDLE = torch.tensor([CENTRE])
ABOVE, BELOW = MIDDLE + torch.tensor([0, 0, RADIUS]), MIDDLE - torch.tensor([0, 0, RADIUS])


@pytest.mark.parametrize("make", [field_ball, mesh_ball])
def test_a_scene_has_the_surface_of_its_geometry(make):
    mesh = make().surface(48)
    away = np.linalg.norm(mesh.vertices - np.array(CENTRE), axis=1)
    assert np.abs(away - RADIUS).max() < 0.01 and mesh.volume == pytest.approx(VOLUME, rel=0.02)


@pytest.mark.parametrize("make", [field_ball, mesh_ball])
def test_a_scene_has_the_colours_of_its_geometry(make):
    red, blue = (make().color(points, points) for points in (ABOVE, BELOW))
    assert red[0].tolist() == pytest.approx([0.98, 0.02, 0.02], abs=0.01)
    assert blue[0].tolist() == pytest.approx([0.02, 0.02, 0.98], abs=0.01)


def test_a_scene_is_dense_inside_and_empty_outside():
    inside, outside = field_ball().density(torch.cat([MIDDLE, -MIDDLE * 4]))
    assert inside > 100 and outside < 1e-3


def test_a_scene_is_rendered_from_all_azimuths_over_no_background():
    views = field_ball().render([0.0, 90.0], 0.0, 16)
    assert views.picture.alpha.shape == (2, 16, 16, 1) and views.picture.alpha.max() > 0.9
    assert views.picture.alpha[:, 0, 0].max() < 0.1


def test_a_material_without_metal_tells_no_reflectance():
    assert field_ball().reflectance(MIDDLE, MIDDLE) is None


def test_a_scene_without_a_surface_says_so():
    nothing = empty("dmtet")
    nothing.geometry.distances.data.fill_(1.0)
    with pytest.raises(EmptySurface, match="the surface is empty; start from a larger shape"):
        nothing.surface(8)


def test_an_explicit_mesh_with_a_texture_is_given_in_its_own_atlas():
    body = trimesh.creation.icosphere(3, RADIUS)
    given = bake(unwrap(Mesh(body.vertices, body.faces), 64), lambda points, normals: normals / 2 + 0.5, 64)
    scene = empty("mesh", colors="texture")
    scene.geometry.replace_mesh(given)
    same = scene.textured()
    np.testing.assert_allclose(same.vertices[same.faces], given.vertices[given.faces], atol=1e-6)
    np.testing.assert_allclose(same.uv[same.faces], given.uv[given.faces], atol=1e-6)
    np.testing.assert_allclose(same.texture, given.texture, atol=1 / 255)
    outward = same.vertices / np.linalg.norm(same.vertices, axis=1, keepdims=True)
    np.testing.assert_allclose(same.normals, outward, atol=0.02)
    assert field_ball().textured() is None and mesh_ball().textured() is None
