"""Mesh files of every format become one mesh in the world; what is wrong with one is said by name."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from maquette.errors import ConfigError
from maquette.export.writers import write_glb, write_obj, write_ply
from maquette.meshes.atlas import TexturedPart, pack_atlas, to_unit_tile
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Placement
from maquette.meshes.reading import read_mesh
from maquette.meshes.texture import unwrap

KEEP = Placement(fit="none")
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
ASSETS = Path(__file__).parents[3] / "shared" / "assets" / "meshes"

QUARTERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8)  # red, green; blue, yellow


def picture(colors=QUARTERS, texels: int = 4) -> Image.Image:
    """Blocks of `texels` x `texels` of each colour."""
    return Image.fromarray(np.asarray(colors, np.uint8).repeat(texels, 0).repeat(texels, 1))


def look_up(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """The texel at (u, v), v up, as 8-bit numbers."""
    height, width = texture.shape[:2]
    column, row = (uv[:, 0] * width).astype(int), ((1 - uv[:, 1]) * height).astype(int)
    return np.round(texture[row.clip(0, height - 1), column.clip(0, width - 1)] * 255).astype(int)


def middles(mesh: Mesh) -> np.ndarray:
    return look_up(mesh.texture, mesh.uv[mesh.faces].mean(1))


def write_scene(path: Path, *bodies) -> Path:
    """Bodies with (trimesh, transform) pairs as one file."""
    scene = trimesh.Scene()
    for body, transform in bodies:
        scene.add_geometry(body, transform=transform)
    scene.export(path)
    return path


def square(image: Image.Image | None = None, scale: float = 1.0, **material) -> trimesh.Trimesh:
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=image, **material)
    visual = trimesh.visual.TextureVisuals(uv=corners[:, :2] * scale, material=material)
    return trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], visual=visual, process=False)


@pytest.mark.parametrize("write", [write_glb, write_obj])
def test_textured_meshes_that_we_write_come_back(tmp_path, write):
    body, numbers = trimesh.creation.icosphere(1), np.random.default_rng(0)
    cut = unwrap(Mesh(body.vertices, body.faces), 32)
    source = Mesh(cut.vertices, cut.faces, uv=cut.uv, texture=numbers.random((32, 32, 3)))
    path = tmp_path / write.__name__.replace("write_", "mesh.")
    write(path, source)
    found = read_mesh(path, KEEP)
    np.testing.assert_allclose(found.vertices[found.faces], source.vertices[source.faces], atol=2e-6)
    np.testing.assert_allclose(found.uv[found.faces], source.uv[source.faces], atol=2e-6)
    np.testing.assert_allclose(found.texture, source.texture, atol=0.5 / 255 + 1e-6)


def test_coloured_meshes_that_we_write_come_back(tmp_path):
    body = trimesh.creation.icosphere(1)
    source = Mesh(body.vertices, body.faces, np.random.default_rng(0).random((len(body.vertices), 3)))
    found = read_mesh(write_ply(tmp_path / "mesh.ply", source), KEEP)
    np.testing.assert_allclose(found.vertices, source.vertices, atol=1e-6)
    np.testing.assert_allclose(found.vertex_colors, source.vertex_colors, atol=0.5 / 255 + 1e-6)


def test_vertex_colours_of_gltf_are_turned_from_light_to_srgb(tmp_path):
    colors = np.array([[0.5, 0.25, 1.0]] * 3)
    write_glb(tmp_path / "mesh.glb", Mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], colors))
    np.testing.assert_allclose(read_mesh(tmp_path / "mesh.glb", KEEP).vertex_colors, colors, atol=0.02)


def test_axes_become_the_worlds(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 2 0\nv 0 0 3\nf 1 2 3\nf 1 3 4\n")
    y_up = read_mesh(tmp_path / "a.obj", Placement(up="y", fit="none"))
    assert y_up.vertices.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 2], [3, 0, 0]]  # its +z looks along our +x
    turned = read_mesh(tmp_path / "a.obj", Placement(front="-y", fit="none"))
    assert turned.vertices.tolist() == [[0, 0, 0], [0, 1, 0], [-2, 0, 0], [0, 0, 3]]
    with pytest.raises(ValueError, match="y is up"):
        Placement(up="y", front="-y")


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(("fit", "expected"), [("extent", 1.2), ("radius", 2.4)])
def test_any_size_fits(tmp_path, scale, fit, expected):
    body = trimesh.creation.icosphere(2)
    body.apply_scale(scale)
    body.apply_translation([1e3 * scale] * 3)
    body.export(tmp_path / "ball.stl")
    found = read_mesh(tmp_path / "ball.stl", Placement(fit=fit))
    np.testing.assert_allclose(np.ptp(found.bounds, axis=0), expected, rtol=2e-3)
    np.testing.assert_allclose(found.bounds.mean(0), 0, atol=1e-3)


def test_vertices_that_no_face_uses_do_not_count(tmp_path):
    (tmp_path / "a.obj").write_text("v 99 99 99\n" + TRIANGLE + "f 2 3 4\n")
    found = read_mesh(tmp_path / "a.obj")
    assert len(found.vertices) == 3 and np.ptp(found.bounds, axis=0).max() == pytest.approx(1.2)


def test_instances_stand_where_the_scene_puts_them_and_mirrors_keep_outside_out(tmp_path):
    box = trimesh.creation.box()
    mirror = np.diag([-2.0, 1, 1, 1])
    mirror[0, 3] = 5
    path = write_scene(tmp_path / "two.glb", (box, np.eye(4)), (box, mirror))
    found = read_mesh(path, Placement(fit="none", up="z"))
    assert found.bounds.tolist() == [[-0.5, -0.5, -0.5], [6, 0.5, 0.5]]
    assert found.volume == pytest.approx(1 + 2)


def test_several_textures_share_one_atlas(tmp_path):
    reds, greens = picture([[[200, 0, 0], [150, 0, 0]]], 8), picture([[[0, 90, 0]], [[0, 30, 0]]], 5)
    away = trimesh.transformations.translation_matrix([2, 0, 0])
    path = write_scene(tmp_path / "two.glb", (square(reds), np.eye(4)), (square(greens), away))
    found = read_mesh(path, Placement(fit="none", up="z"))
    low = found.vertices[found.faces][..., 0].max(1) < 1.5
    # the middles of a square's triangles lie at (2/3, 1/3) and (1/3, 2/3)
    assert sorted(middles(found)[low].tolist()) == [[150, 0, 0], [200, 0, 0]]
    assert sorted(middles(found)[~low].tolist()) == [[0, 30, 0], [0, 90, 0]]


def test_a_repeated_texture_is_repeated(tmp_path):
    path = write_scene(tmp_path / "tiled.glb", (square(picture(), scale=3.0), np.eye(4)))
    found = read_mesh(path, Placement(fit="none", up="z"))
    assert found.texture.shape == (24, 24, 3) and found.uv.min() >= 0 and found.uv.max() <= 1
    places = np.random.default_rng(0).random((50, 2))
    expected = look_up(np.asarray(picture()) / 255, (3 * places) % 1)
    corners = found.uv[[np.flatnonzero((found.vertices[:, :2] == c).all(1))[0] for c in ([0, 0], [1, 0], [0, 1])]]
    uv = corners[0] + places @ (corners[1:] - corners[0])
    np.testing.assert_array_equal(look_up(found.texture, uv), expected)


def test_faces_in_other_tiles_come_back_without_repeating():
    shifted = TexturedPart(np.zeros((4, 3)), np.array([[0, 1, 2], [1, 2, 3]]),
                      np.array([[5.1, -3.9], [5.9, -3.9], [5.1, -3.1], [5.9, -3.1]]), picture())  # fmt: skip
    found = to_unit_tile(shifted)
    np.testing.assert_allclose(found.uv[found.faces[0]], [[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]])
    assert found.picture.size == picture().size


def test_parts_with_one_picture_share_it():
    part = TexturedPart(np.zeros((3, 3)), np.array([[0, 1, 2]]), np.random.default_rng(0).random((3, 2)), picture())
    whole = pack_atlas([part, part])
    assert whole.picture.size == picture().size and len(whole.faces) == 2


def test_plain_and_coloured_parts_among_textures_keep_their_colours(tmp_path):
    plain = square(baseColorFactor=[255, 0, 0, 255])
    painted_faces = trimesh.creation.box()
    painted_faces.visual.vertex_colors = np.full((8, 4), [0, 0, 255, 255], np.uint8)
    path = write_scene(
        tmp_path / "mixed.glb", (square(picture([[[0, 255, 0]]])), np.eye(4)), (plain, np.eye(4)),
        (painted_faces, np.eye(4)),
    )  # fmt: skip
    found = {tuple(color) for color in middles(read_mesh(path)).tolist()}
    assert found == {(0, 255, 0), (255, 0, 0), (0, 0, 255)}


def test_a_base_colour_factor_dims_the_texture_as_light(tmp_path):
    dimmed = square(picture([[[255, 255, 255]]]), baseColorFactor=[55, 255, 255, 255])
    path = write_scene(tmp_path / "dim.glb", (dimmed, np.eye(4)))
    found = read_mesh(path).texture[0, 0]
    np.testing.assert_allclose(found, [0.5, 1, 1], atol=0.01)  # sRGB 0.5 is light 0.214 = 55 / 255


def test_materials_of_an_obj_are_read(tmp_path):
    picture([[[0, 128, 0]]]).save(tmp_path / "leaf.png")
    (tmp_path / "m.mtl").write_text("newmtl red\nKd 1 0 0\nnewmtl leaf\nKd 0.5 0.5 0.5\nmap_Kd leaf.png\n")
    text = "mtllib m.mtl\n" + TRIANGLE + "v 1 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n"
    (tmp_path / "a.obj").write_text(text + "usemtl red\nf 1 2 3\nusemtl leaf\nf 2/1 4/2 3/3\n")
    assert sorted(middles(read_mesh(tmp_path / "a.obj")).tolist()) == [[0, 128, 0], [255, 0, 0]]


def test_face_colours_stay_on_their_faces(tmp_path):
    box = trimesh.creation.box()
    colors = np.random.default_rng(0).integers(0, 255, (12, 4)).astype(np.uint8)
    box.visual.face_colors = colors
    box.export(tmp_path / "box.ply")
    found = read_mesh(tmp_path / "box.ply")
    np.testing.assert_allclose(found.vertex_colors[found.faces] * 255, colors[:, None, :3].repeat(3, 1), atol=1e-3)


def test_a_large_texture_is_shrunk(tmp_path):
    path = write_scene(tmp_path / "large.glb", (square(picture(texels=32)), np.eye(4)))
    assert read_mesh(path, largest=16).texture.shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.obj", None, "there is no mesh file"),
        ("mesh.fbx", b"x", r"ends in .obj, .glb, .*not in '.fbx'"),
        ("empty.obj", b"", "holds nothing"),
        ("empty.glb", b"", "cannot be read"),
        ("empty.ply", b"", "cannot be read"),
        ("broken.glb", b"this is no glb at all", "cannot be read"),
        ("pointer.glb", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        ("page.obj", b"<!DOCTYPE html><html></html>", "an HTML page"),
        ("line.obj", b"v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "its faces have no area"),
        ("points.obj", TRIANGLE.encode(), "3 points and no faces"),
        ("point.obj", b"v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "all its vertices lie at one point"),
        ("nan.obj", b"v nan 1 1\nv 0 1 1\nv 1 1 1\nf 1 2 3\n", "1 of its vertices are not finite"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_with_key_and_path(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message) as found:
        read_mesh(tmp_path / name, key="geometry.path")
    assert str(found.value).startswith("geometry.path: ") and name in str(found.value)


@pytest.mark.skipif(not ASSETS.is_dir(), reason="the real meshes are not here")
@pytest.mark.parametrize("name", ["Duck.glb", "fuze.obj", "stanford-bunny.obj", "suzanne.obj"])
def test_real_meshes_agree_with_trimesh(name):
    found, body = read_mesh(ASSETS / name, Placement(up="z")), trimesh.load_mesh(ASSETS / name, process=False)
    assert len(found.faces) == len(body.faces) and np.ptp(found.bounds, axis=0).max() == pytest.approx(1.2)
    scale = 1.2 / np.ptp(body.bounds, axis=0).max()
    np.testing.assert_allclose(found.face_areas.sum(), body.area * scale**2, rtol=1e-4)
    if body.visual.kind == "texture":
        expected = body.visual.material.to_color(body.visual.uv[body.faces].mean(1))[:, :3]
        assert np.abs(middles(found) - expected).max(1).mean() < 12  # to_color blends the four texels around


def test_many_pictures_keep_their_places_and_their_texels():
    numbers = np.random.default_rng(0)
    colors = numbers.integers(0, 255, (7, 3)).astype(np.uint8)
    pictures = [Image.fromarray(np.tile(c, (*numbers.integers(1, 30, 2), 1))) for c in colors]
    parts = [TexturedPart(np.zeros((3, 3)), np.array([[0, 1, 2]]), numbers.random((3, 2)), one) for one in pictures]
    whole = pack_atlas(parts)
    seen = look_up(np.asarray(whole.picture) / 255, whole.uv)
    np.testing.assert_array_equal(seen, colors.repeat(3, axis=0))
