"""Colours of meshes from pictures whose every pixel is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from traced_balls import ball_mesh, plain, traced, waves

from maquette.conversions.view_texture import color_from_views, texture_from_views, vertex_colors_from_views
from maquette.errors import RunError
from maquette.images.picture import Picture
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import unwrap
from views import around

RED, BLUE = (0.8, 0.1, 0.1), (0.1, 0.1, 0.8)
WAVES = ((0.1, -0.1, 0.0), 0.6, waves)
AROUND = (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)


def colors_at(mesh, views, points, normals):
    to_tensor = lambda values: torch.tensor(np.atleast_2d(values), dtype=torch.float32)  # noqa: E731
    return color_from_views(mesh, views)(to_tensor(points), to_tensor(normals)).numpy()


def directions(count=2000):
    return trimesh.sample.sample_surface(trimesh.creation.icosphere(4), count, seed=0)[0]


def test_surface_that_pictures_see_has_their_colours():
    mesh, views = ball_mesh([WAVES]), traced([WAVES], around(*AROUND, elevation=20, size=64))
    outward = directions()[directions()[:, 2] > -0.2]
    points = np.array(WAVES[0]) + 0.6 * outward
    error = np.abs(colors_at(mesh, views, points, outward) - waves(torch.from_numpy(points)).numpy())
    assert np.median(error) < 0.01
    assert np.quantile(error, 0.99) < 0.06


def test_the_texture_holds_what_the_colours_are():
    mesh, views = ball_mesh([WAVES], 3), traced([WAVES], around(*AROUND, elevation=20, size=64))
    textured = texture_from_views(mesh, views, 256)
    assert textured.texture.shape == (256, 256, 3)
    corner = textured.uv[textured.faces].mean(1) * 256
    row, column = (255 - corner[:, 1].astype(int)), corner[:, 0].astype(int)
    middle = textured.vertices[textured.faces].mean(1)
    seen = middle[:, 2] > -0.2
    error = np.abs(textured.texture[row, column] - waves(torch.from_numpy(middle)).numpy())[seen]
    assert np.median(error) < 0.02


def test_an_atlas_that_is_there_is_kept():
    mesh, views = unwrap(ball_mesh([WAVES], 2), 64), traced([WAVES], around(*AROUND, size=32))
    np.testing.assert_array_equal(texture_from_views(mesh, views, 64).uv, mesh.uv)


def test_vertices_are_coloured_like_the_surface():
    mesh, views = ball_mesh([WAVES], 3), traced([WAVES], around(*AROUND, elevation=20, size=64))
    colored = vertex_colors_from_views(mesh, views)
    seen = mesh.vertices[:, 2] > -0.2
    error = np.abs(colored.vertex_colors - waves(torch.from_numpy(mesh.vertices)).numpy())[seen]
    assert np.quantile(error, 0.95) < 0.06


def test_what_stands_in_front_does_not_colour_what_lies_behind():
    front, back = ((0.7, 0.0, 0.0), 0.15, plain(*BLUE)), ((-0.2, 0.0, 0.0), 0.5, plain(*RED))
    mesh, views = ball_mesh([front, back]), traced([front, back], around(0.0, 90.0, 270.0, size=64))
    outward = directions()[directions()[:, 0] > 0.1]
    colors = colors_at(mesh, views, np.array(back[0]) + 0.5 * outward, outward)
    np.testing.assert_allclose(colors, np.tile(RED, (len(colors), 1)), atol=0.08)


def test_unseen_surface_continues_what_is_seen_around_it_and_not_what_is_near_in_space():
    """From the right, one sees a blue ball, and of a red one, close to its left, only the rim."""
    left, right = ((0.0, -0.36, 0.0), 0.35, plain(*RED)), ((0.0, 0.21, 0.0), 0.2, plain(*BLUE))
    mesh, views = ball_mesh([left, right]), traced([left, right], around(90.0, size=128))
    hidden = colors_at(mesh, views, [[0, -0.02, 0], [0, -0.7, 0], [0, 0.02, 0]], [[0, 1, 0], [0, -1, 0], [0, -1, 0]])
    np.testing.assert_allclose(hidden, [RED, RED, BLUE], atol=0.05)


def test_large_faces_are_filled_between_their_corners():
    """A box of twelve triangles, of which the cameras see three sides."""
    body = trimesh.creation.box((1, 1, 1))
    cameras = around(0.0, 90.0, elevation=30, size=64)
    textured = texture_from_views(Mesh(body.vertices, body.faces), _grey_pictures(cameras, 0.6), 64)
    np.testing.assert_allclose(textured.texture, 0.6, atol=0.01)


def _grey_pictures(cameras, grey):
    views = traced([], cameras)
    color = torch.full_like(views.picture.color, grey)
    return replace(views, picture=Picture.opaque(color))


def test_the_background_on_a_mattes_border_stays_off_the_surface():
    ball = ((0.0, 0.0, 0.0), 0.6, plain(*RED))
    views = traced([ball], around(0.0, 90.0, 180.0, 270.0, size=64), background=1.0)
    wide = torch.nn.functional.max_pool2d(views.picture.alpha.permute(0, 3, 1, 2), 3, 1, 1).permute(0, 2, 3, 1)
    views = replace(views, picture=Picture(views.picture.color, wide))  # a matte with a ring of white background
    colors = colors_at(ball_mesh([ball]), views, 0.6 * directions(), directions())
    np.testing.assert_allclose(colors, np.tile(RED, (len(colors), 1)), atol=0.02)


def test_pictures_that_contradict_are_not_drawn_over_each_other():
    """Two pictures of stripes, one of them moved: a mean of both would lose the contrast."""
    stripes = ((0.0, 0.0, 0.0), 0.6, lambda p: ((p[:, 2:] * 8).floor() % 2 == 0).float().expand(-1, 3) * 0.8 + 0.1)
    moved = ((0.0, 0.0, 0.0), 0.6, lambda p: stripes[2](p + torch.tensor([0.0, 0.0, 1 / 8])))
    cameras = around(0.0, 40.0, size=128)
    views = traced([stripes], cameras)
    other = traced([moved], cameras[1:])
    views = replace(views, picture=Picture.cat([views.picture[:1], other.picture]))
    azimuth = np.deg2rad([14.0, 26.0])
    outward = np.stack([np.cos(azimuth), np.sin(azimuth), 0 * azimuth], -1)
    outward = (outward[:, None] + np.array([0, 0, 1])[None] * np.linspace(-0.5, 0.5, 81)[None, :, None]).reshape(-1, 3)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    colors = colors_at(ball_mesh([stripes]), views, 0.6 * outward, outward)
    assert (np.abs(colors - 0.5) > 0.2).mean() > 0.8


def test_pictures_lit_from_different_sides_are_blended_smoothly():
    ball = ((0.0, 0.0, 0.0), 0.6, plain(0.6, 0.5, 0.4))
    views = traced([ball], around(0.0, 60.0, size=64))
    views = replace(views, picture=Picture(views.picture.color * torch.tensor([1, 0.8])[:, None, None, None],
                                           views.picture.alpha))  # fmt: skip
    azimuth = np.deg2rad(np.linspace(0, 60, 61))
    outward = np.stack([np.cos(azimuth), np.sin(azimuth), 0 * azimuth], -1)
    red = colors_at(ball_mesh([ball]), views, 0.6 * outward, outward)[:, 0]
    assert red[0] == pytest.approx(0.6, abs=0.01) and red[-1] == pytest.approx(0.48, abs=0.01)
    assert np.abs(np.diff(red)).max() < 0.01


def test_pictures_that_show_nothing_of_the_mesh_are_refused():
    empty = traced([], around(0.0, 90.0, size=32))
    with pytest.raises(RunError, match="none of the 2 pictures shows the mesh"):
        color_from_views(ball_mesh([WAVES], 2), empty)
