"""Point clouds: what is not finite is left out and said, colours and axes arrive."""

import numpy as np
import pytest
import torch
import trimesh
from gltf_files import CORNERS, GltfFile
from PIL import Image

from maquette.errors import ConfigError
from maquette.meshes.points import inspect_points, read_points

RAINBOW = np.array([[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [255, 255, 0, 255]], np.uint8)


def test_points_with_nan_are_left_out_and_said(tmp_path):
    (tmp_path / "a.xyz").write_text("0 0 0\nnan 0 0\n1 0 inf\n0 1 0\n")
    loaded = inspect_points(tmp_path / "a.xyz")
    assert loaded.value.positions.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert "2 of its 4 points are not finite" in loaded.warnings[0]


def test_points_far_from_the_others_are_said(tmp_path):
    places = np.random.default_rng(0).normal(size=(100, 3))
    places[7] = 1e6
    np.savetxt(tmp_path / "a.xyz", places)
    loaded = inspect_points(tmp_path / "a.xyz")
    assert "1 of its 100 points lie far" in loaded.warnings[0] and loaded.facts["points"] == 100


@pytest.mark.parametrize(
    "text", ["1 2 3 255 0 0\n4 5 6 0 255 0\n", "2\n1,2,3,255,0,0\n4,5,6,0,255,0\n", "1 2 3 9 1 0 0\n4 5 6 9 0 1 0\n"]
)
def test_text_with_colours(tmp_path, text):
    (tmp_path / "a.xyz").write_text(text)
    positions, colors = read_points(tmp_path / "a.xyz")
    assert positions.tolist() == [[1, 2, 3], [4, 5, 6]] and colors.tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("extension", ["ply", "obj", "off"])
def test_points_and_meshes_give_positions_and_colours(tmp_path, extension):
    if extension == "ply":
        trimesh.PointCloud(CORNERS, RAINBOW).export(tmp_path / "a.ply")
    elif extension == "obj":
        lines = [
            f"v {x} {y} {z} {r / 255} {g / 255} {b / 255}"
            for (x, y, z), (r, g, b, _) in zip(CORNERS, RAINBOW, strict=True)
        ]
        (tmp_path / "a.obj").write_text("\n".join(lines))
    else:
        lines = [f"{x} {y} {z} {r} {g} {b}" for (x, y, z), (r, g, b, _) in zip(CORNERS, RAINBOW, strict=True)]
        (tmp_path / "a.off").write_text("COFF\n4 0 0\n" + "\n".join(lines))
    positions, colors = read_points(tmp_path / f"a.{extension}")
    torch.testing.assert_close(positions, torch.from_numpy(CORNERS))
    np.testing.assert_allclose(colors, RAINBOW[:, :3] / 255, atol=1e-6)


def test_gltf_points_stand_upright_and_textures_colour_them(tmp_path):
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    Image.new("RGB", (4, 4), "blue").save(tmp_path / "blue.png")
    file = GltfFile(TEXCOORD_0=uv)
    file.texture({"uri": "blue.png"})
    positions, colors = read_points(file.write(tmp_path / "a.gltf"))
    np.testing.assert_allclose(positions, CORNERS[:, [2, 0, 1]])
    assert colors.tolist() == [[0, 0, 1]] * 4
    cloud = GltfFile(None)
    cloud.primitive["mode"] = 0
    assert read_points(cloud.write(tmp_path / "b.glb"))[1] is None


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.ply", None, "there is no file of points"), ("a.las", b"x", "ends in"), ("a.xyz", b"", "no points in it"),
        ("a.xyz", b"1 2\n", "fewer than three"), ("a.xyz", b"1 2 x\n", "not 3 numbers"),
        ("a.xyz", b"nan nan nan\n", "none of its points"), ("a.ply", b"ply\n", "header is cut off"),
    ],
)  # fmt: skip
def test_broken_files_of_points(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        read_points(tmp_path / name)
