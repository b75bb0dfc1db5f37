import numpy as np
import pytest
import torch
import trimesh

from maquette.errors import RunError
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import bake, bake_texels, color_vertices, rasterize_uv, unwrap

SQUARE = Mesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]], uv=[[0, 0], [1, 0], [1, 1], [0, 1]])


def sample_surface(mesh, count, seed=0):
    """Points, their colours in the texture (bilinear) and normals, at random places of the mesh."""
    generator = np.random.default_rng(seed)
    face = generator.choice(len(mesh.faces), count, p=mesh.face_areas / mesh.face_areas.sum())
    weights = generator.dirichlet([1, 1, 1], count).astype(np.float32)
    points, uv, normals = (
        np.einsum("nk,nkd->nd", weights, values[mesh.faces[face]]) for values in (mesh.vertices, mesh.uv, mesh.normals)
    )
    size = mesh.texture.shape[0]
    x, y = uv[:, 0] * size - 0.5, (1 - uv[:, 1]) * size - 0.5
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    colors = np.zeros((count, 3))
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = np.abs(1 - i - (y - row)) * np.abs(1 - j - (x - column))
        colors += weight[:, None] * mesh.texture[np.clip(row + i, 0, size - 1), np.clip(column + j, 0, size - 1)]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return points.astype(np.float32), colors, normals.astype(np.float32)


def test_texture_holds_the_colours_of_the_surface(subject, textured):
    points, found, normals = sample_surface(textured, 20_000)
    truth = subject.color(torch.from_numpy(points), torch.from_numpy(normals)).numpy()
    error = np.abs(found - truth).max(1)
    assert np.median(error) < 0.01
    assert np.quantile(error, 0.99) < 0.05


def test_atlas_stays_in_the_unit_square_and_uses_it(textured):
    assert textured.uv.min() >= 0
    assert textured.uv.max() <= 1
    face, _ = rasterize_uv(textured.uv, textured.faces, 256)
    assert (face >= 0).mean() > 0.4


@pytest.fixture(scope="module")
def flat(surface) -> Mesh:
    """The surface with places in a texture."""
    return unwrap(surface, 256)


def test_no_chart_comes_near_the_rim(flat):
    margin = 2.5 / 256  # viewers that repeat a texture blend its rim with the opposite one
    assert flat.uv.min() > margin and flat.uv.max() < 1 - margin


def test_unwrap_keeps_faces_places_and_smooth_normals(surface, flat):
    np.testing.assert_array_equal(flat.vertices[flat.faces], surface.vertices[surface.faces])
    np.testing.assert_allclose(flat.normals[flat.faces], surface.vertex_normals()[surface.faces], atol=1e-6)


def test_texel_centres_follow_the_obj_convention():
    baked = bake(SQUARE, lambda points, normals: points, 8)
    centres = (np.arange(8) + 0.5) / 8
    np.testing.assert_allclose(baked.texture[..., 0], np.broadcast_to(centres, (8, 8)), atol=1e-6)
    np.testing.assert_allclose(baked.texture[..., 1], np.broadcast_to(1 - centres[:, None], (8, 8)), atol=1e-6)


def test_rasteriser_covers_what_a_triangle_touches_and_no_more():
    face, weights = rasterize_uv(SQUARE.uv * 0.5, SQUARE.faces[:1], 16)
    row, column = np.mgrid[:16, :16] + 0.5
    u, v = column, 16 - row  # in texels; the triangle has corners (0, 0), (8, 0), (8, 8)
    np.testing.assert_array_equal(face == 0, ((v - u) / 2**0.5 < 0.75) & (u < 8.75) & (u + v < 16 + 0.75 * 2**0.5))
    np.testing.assert_allclose(weights[face == 0].sum(-1), 1, atol=1e-6)
    assert weights.min() >= 0


def test_rasteriser_gives_a_texel_to_the_face_in_which_it_lies():
    face, _ = rasterize_uv(SQUARE.uv, SQUARE.faces, 16)
    row, column = np.mgrid[:16, :16]
    off_diagonal = row + column != 15
    np.testing.assert_array_equal(face[off_diagonal], (row + column < 15)[off_diagonal].astype(int))


def test_padding_takes_the_nearest_colour():
    small = Mesh(SQUARE.vertices, SQUARE.faces, uv=SQUARE.uv * 0.25)
    red = torch.tensor([1.0, 0.2, 0.1])
    baked = bake(small, lambda points, normals: red.expand(len(points), 3), 32)
    np.testing.assert_allclose(baked.texture, np.broadcast_to(red.numpy(), (32, 32, 3)))


def test_colours_are_asked_with_unit_normals_in_chunks():
    sizes = []

    def color(points, normals):
        sizes.append(len(points))
        torch.testing.assert_close(normals, torch.tensor([0.0, 0.0, 1.0]).expand_as(normals))
        return points * 0

    bake(SQUARE, color, 16, chunk=100)
    assert sizes == [100, 100, 56]


def test_any_number_of_values_can_be_baked():
    texels = bake_texels(SQUARE, lambda points, normals: points[:, :2] * 0.5, 8)
    assert texels.shape == (8, 8, 2)
    np.testing.assert_allclose(texels[0, :, 0], (np.arange(8) + 0.5) / 16, atol=1e-6)


def test_vertex_colours():
    colored = color_vertices(SQUARE, lambda points, normals: points * 2)
    np.testing.assert_array_equal(colored.vertex_colors, SQUARE.vertices)


def test_colours_that_are_not_finite_are_reported():
    with pytest.raises(RunError, match="surface colours are not finite"):
        bake(SQUARE, lambda points, normals: points * float("nan"), 8)


def test_bake_without_uv_says_what_to_call():
    with pytest.raises(ValueError, match="call unwrap first"):
        bake(Mesh(SQUARE.vertices, SQUARE.faces), lambda points, normals: points, 8)


def test_bumps_of_a_rough_surface_do_not_become_charts():
    """A ball with noise has 80 charts where each bump counts."""
    body = trimesh.creation.icosphere(4)
    noise = np.random.default_rng(0).normal(0, 0.03, (len(body.vertices), 1))
    rough = unwrap(Mesh(body.vertices * (1 + noise), body.faces), 256)
    graph = trimesh.Trimesh(rough.vertices, rough.faces, process=False)
    charts = len(trimesh.graph.connected_components(graph.edges, nodes=np.arange(len(rough.vertices))))
    assert charts < 20
    np.testing.assert_array_equal(rough.vertices[rough.faces], (body.vertices * (1 + noise)).astype("f")[body.faces])
