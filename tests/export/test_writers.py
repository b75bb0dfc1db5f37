import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from maquette.export.writers import to_gltf_axes, write_glb, write_obj, write_ply, write_points
from maquette.files import atomic_path
from maquette.meshes.mesh import Mesh

TRIANGLE = Mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], vertex_colors=[[1, 0, 0], [0.5, 0.5, 0.5], [0, 0, 1]])


def load(path):
    (body,) = trimesh.load_scene(path, process=False).geometry.values()
    return body


def test_glb_keeps_texture_uv_and_volume(textured, tmp_path):
    body = load(write_glb(tmp_path / "mesh.glb", textured))
    picture = np.asarray(body.visual.material.baseColorTexture.convert("RGB")) / 255
    np.testing.assert_allclose(picture, textured.texture, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(body.visual.uv, textured.uv, atol=1e-6)
    assert body.volume == pytest.approx(textured.volume, rel=1e-5)
    assert body.visual.material.metallicFactor == 0


def test_glb_front_looks_along_z_and_up_is_y(textured, tmp_path):
    body = load(write_glb(tmp_path / "mesh.glb", textured))
    low, high = textured.bounds
    assert high.tolist() == pytest.approx([0.85, 0.7, 0.55], abs=0.02)  # the box is in front and above
    np.testing.assert_allclose(body.bounds, [low[[1, 2, 0]], high[[1, 2, 0]]], atol=1e-6)
    np.testing.assert_allclose(body.vertex_normals, to_gltf_axes(textured.normals), atol=1e-4)


def test_gltf_axes_are_a_rotation():
    matrix = to_gltf_axes(np.eye(3)).T
    assert np.linalg.det(matrix) == pytest.approx(1)
    np.testing.assert_array_equal(to_gltf_axes(np.array([1.0, 0, 0])), [0, 0, 1])
    np.testing.assert_array_equal(to_gltf_axes(np.array([0, 0, 1.0])), [0, 1, 0])


def header(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[12:16])
    return json.loads(content[20 : 20 + length])


def test_glb_has_metal_and_roughness_where_gltf_looks_for_them(textured, tmp_path):
    ramp = np.linspace(0, 1, 64, dtype=np.float32)
    metal = np.stack(np.broadcast_arrays(ramp[None, :], 0.5 * ramp[:, None]), axis=-1)
    path = write_glb(tmp_path / "mesh.glb", replace(textured, metallic_roughness=metal))
    material = load(path).visual.material
    picture = np.asarray(material.metallicRoughnessTexture.convert("RGB")) / 255
    np.testing.assert_allclose(picture[..., 2], metal[..., 0], atol=0.5 / 255 + 1e-6)  # B: metallic
    np.testing.assert_allclose(picture[..., 1], metal[..., 1], atol=0.5 / 255 + 1e-6)  # G: roughness
    assert material.metallicFactor == material.roughnessFactor == 1
    base = np.asarray(material.baseColorTexture.convert("RGB")) / 255
    np.testing.assert_allclose(base, textured.texture, atol=0.5 / 255 + 1e-6)
    assert len(header(path)["textures"]) == 2


def test_glb_textures_are_clamped_at_their_rims(textured, tmp_path):
    tree = header(write_glb(tmp_path / "mesh.glb", textured))
    sampler = tree["samplers"][tree["textures"][0]["sampler"]]
    assert sampler["wrapS"] == sampler["wrapT"] == 33071  # CLAMP_TO_EDGE


def test_glb_states_its_axes(textured, tmp_path):
    asset = header(write_glb(tmp_path / "mesh.glb", textured))["asset"]
    assert asset["generator"] == "maquette"
    assert asset["extras"]["axes"] == "y up, front along +z"
    assert "(x, y, z) -> (y, z, x)" in asset["extras"]["from"]


def test_glb_vertex_colours_are_linear(tmp_path):
    body = load(write_glb(tmp_path / "mesh.glb", TRIANGLE))
    assert body.visual.vertex_colors[:, :3].tolist() == [[255, 0, 0], [55, 55, 55], [0, 0, 255]]


def test_glb_without_colours_is_white(tmp_path):
    assert len(load(write_glb(tmp_path / "mesh.glb", Mesh(TRIANGLE.vertices, TRIANGLE.faces))).faces) == 1


def test_obj_round_trip(textured, tmp_path):
    written = write_obj(tmp_path / "thing.obj", textured)
    assert [path.name for path in written] == ["thing.obj", "thing.mtl", "thing.png"]
    body = load(written[0])
    np.testing.assert_allclose(body.triangles, textured.vertices[textured.faces], atol=1e-5)
    np.testing.assert_allclose(body.visual.uv[body.faces], textured.uv[textured.faces], atol=1e-5)
    picture = np.asarray(body.visual.material.image.convert("RGB")) / 255
    np.testing.assert_allclose(picture, textured.texture, atol=0.5 / 255 + 1e-6)
    assert "z up, front along +x" in written[0].read_text().splitlines()[0]
    assert "map_Kd thing.png" in written[1].read_text()


def test_ply_round_trip(tmp_path):
    body = load(write_ply(tmp_path / "mesh.ply", TRIANGLE))
    np.testing.assert_array_equal(body.vertices, TRIANGLE.vertices)
    assert body.visual.vertex_colors[:, :3].tolist() == [[255, 0, 0], [128, 128, 128], [0, 0, 255]]


@pytest.mark.parametrize("normals", [None, np.eye(3)])
def test_points_round_trip(tmp_path, normals):
    path = write_points(tmp_path / "points.ply", TRIANGLE.vertices, TRIANGLE.vertex_colors, normals)
    cloud = trimesh.load(path)
    np.testing.assert_array_equal(cloud.vertices, TRIANGLE.vertices)
    assert cloud.colors[:, :3].tolist() == [[255, 0, 0], [128, 128, 128], [0, 0, 255]]
    assert (b"property float nx" in path.read_bytes()) == (normals is not None)


def test_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as place:
        place.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
