"""A scene answers for its shape and colours, whatever its geometry is."""

import numpy as np
import pytest
import torch
import trimesh
from coloured_ball import CENTRE, RADIUS, VOLUME, empty, field_ball, mesh_ball, scene

from maquette.backgrounds.solid import Solid
from maquette.geometry.voxel_grid import VoxelGrid
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


def volume_ball(density, white_from):
    """A volume whose density depends on the distance from the origin, red within `white_from` and white around it."""
    geometry = VoxelGrid(VoxelGrid.Config(resolution=64, shift=0.0))
    axis = torch.linspace(-1, 1, 64)
    radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    before_softplus = torch.expm1(density(radius).double().clamp(min=1e-6)).log().float()
    white = torch.where(radius < white_from, -4.0, 4.0)
    geometry.grid.data.copy_(torch.stack([before_softplus, torch.full_like(white, 4.0), white, white])[None])
    return scene(geometry)


def foggy_ball(fog=1.0):
    """Red and dense within 0.4 of the origin, in white fog up to 0.6, as score distillation over white leaves it."""
    return volume_ball(lambda r: torch.where(r < 0.4, 40.0, torch.where(r < 0.6, fog, 0.0)), 0.4)


def test_a_volumes_surface_has_the_colour_that_shows_through_its_fog():
    ball = foggy_ball()
    point = torch.tensor([[0.45, 0.0, 0.0]])
    (seen,) = ball.color(point, torch.tensor([[1.0, 0.0, 0.0]])).tolist()
    assert ball.geometry.query(point).features.sigmoid().min() > 0.9  # the fog itself is white
    assert seen[0] > 0.9 and max(seen[1:]) < 0.3


def test_a_colour_at_a_surface_does_not_depend_on_the_background():
    point, normal = torch.tensor([[0.6, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    faint = foggy_ball(fog=0.01)
    over = []
    for grey in (0.0, 1.0):
        faint.background = Solid(Solid.Config(color=(grey,) * 3))
        over.append(faint.color(point, normal))
    assert torch.equal(*over)


def test_a_surface_chosen_by_silhouettes_covers_what_pictures_cover():
    ball = volume_ball(lambda r: 8 * torch.sigmoid((0.5 - r) / 0.08), 1.0)
    (alpha,) = ball.render([0.0], 0.0, 64).picture.alpha
    mesh = ball.surface(64, "silhouette")
    radius = np.linalg.norm(mesh.vertices, axis=1).max()
    pixels = np.pi * (radius / np.sqrt(3.2**2 - radius**2) * 32 / np.tan(np.radians(17.5))) ** 2
    assert float((alpha > 0.5).sum()) == pytest.approx(pixels, rel=0.03)


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
