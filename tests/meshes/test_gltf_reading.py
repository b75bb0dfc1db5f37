"""Every feature of a glTF file reaches the mesh, or the account names it, or the file is refused by a line."""

import json
from pathlib import Path

import numpy as np
import pytest
from gltf_files import CORNERS, FACES, GltfFile
from PIL import Image

from maquette.errors import ConfigError
from maquette.meshes.reading import inspect_mesh, read_mesh

LINEAR_GREY = 0.735357  # sRGB of linear 0.5
UV = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)  # v down: the whole picture, upright
QUARTERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8).repeat(4, 0).repeat(4, 1)
COLORS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0.5]], np.float32)
AS_SRGB = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [LINEAR_GREY] * 3])


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(QUARTERS).save(tmp_path / "four.png")
    return {"uri": "four.png"}


def place(path, **config):
    """Vertices in the file's own axes."""
    mesh = inspect_mesh(path, **config).value
    return mesh.vertices[:, [1, 2, 0]]


def color_at(mesh, u, v):
    height, width = mesh.texture.shape[:2]
    return mesh.texture[min(int((1 - v) * height), height - 1), min(int(u * width), width - 1)]


def color_on(mesh, x, y):
    """The colour of a textured mesh at the point (x, y) of the file's plane z = 0, by its own uv."""
    corners = mesh.vertices[:, [1, 2]][mesh.faces]
    for face, (a, b, c) in zip(mesh.faces, corners, strict=True):
        weights = np.linalg.solve(np.stack([np.append(a, 1), np.append(b, 1), np.append(c, 1)], 1), [x, y, 1])
        if (weights > -1e-6).all():
            return color_at(mesh, *(weights @ mesh.uv[face]))
    raise AssertionError(f"no face at {x}, {y}")


@pytest.mark.parametrize(
    "colors",
    [
        COLORS,
        np.round(COLORS * 255).astype(np.uint8),
        np.round(COLORS * 65535).astype(np.uint16),
        np.column_stack([COLORS, [1, 0.5, 0, 1]]).astype(np.float32),
        np.round(np.column_stack([COLORS, np.ones(4)]) * 255).astype(np.uint8),
    ],
    ids=["float", "8-bit", "16-bit", "float-alpha", "8-bit-alpha"],
)
@pytest.mark.parametrize("extension", ["gltf", "glb"])
def test_vertex_colours_of_every_kind_are_light(tmp_path, colors, extension):
    file = GltfFile(COLOR_0=colors)
    mesh = read_mesh(file.write(tmp_path / f"a.{extension}"))
    np.testing.assert_allclose(mesh.vertex_colors, AS_SRGB, atol=2e-3)


def test_vertex_colours_are_multiplied_by_the_base_colour(tmp_path):
    file = GltfFile(COLOR_0=COLORS)
    file.material(pbrMetallicRoughness={"baseColorFactor": [0.5, 1, 1, 1]})
    mesh = read_mesh(file.write(tmp_path / "a.gltf"))
    expected = [[LINEAR_GREY, 0, 0], [0, 1, 0], [0, 0, 1], [0.537099, LINEAR_GREY, LINEAR_GREY]]
    np.testing.assert_allclose(mesh.vertex_colors, expected, atol=1e-4)


def test_vertex_colours_times_a_plain_texture_are_vertex_colours(tmp_path):
    Image.new("RGB", (4, 4), "white").save(tmp_path / "white.png")
    file = GltfFile(COLOR_0=COLORS, TEXCOORD_0=UV)
    file.texture({"uri": "white.png"})
    mesh = read_mesh(file.write(tmp_path / "a.gltf"))
    np.testing.assert_allclose(mesh.vertex_colors, AS_SRGB, atol=1e-4)


def test_vertex_colours_times_a_texture_are_a_texture(tmp_path, picture):
    light = np.array([[1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]], np.float32)  # fades upwards
    file = GltfFile(COLOR_0=light, TEXCOORD_0=UV)
    file.texture(picture)
    mesh = read_mesh(file.write(tmp_path / "a.gltf"))
    scaled = {(x, y): color_on(mesh, 1.2 * x - 0.6, 1.2 * y - 0.6) for x in (0.25, 0.75) for y in (0.25, 0.75)}
    np.testing.assert_allclose(scaled[0.25, 0.25], [0, 0, 0.88], atol=0.03)  # blue, in three quarters of the light
    np.testing.assert_allclose(scaled[0.75, 0.25], [0.88, 0.88, 0], atol=0.03)
    np.testing.assert_allclose(scaled[0.25, 0.75], [0.54, 0, 0], atol=0.03)  # red, in a quarter of it
    np.testing.assert_allclose(scaled[0.75, 0.75], [0, 0.54, 0], atol=0.03)


def with_a_gradient_beside(file: GltfFile, picture: Image.Image, path: Path) -> Path:
    """A textured quad, and one from black to white by its vertex colours two units beside it."""
    file.texture(picture)
    ramp = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 1], [0, 0, 0]], np.float32)
    other = {"POSITION": file.array(CORNERS + np.float32([2, 0, 0])), "COLOR_0": file.array(ramp)}
    file.tree["meshes"][0]["primitives"].append({"attributes": other, "indices": file.primitive["indices"]})
    return file.write(path)


def test_a_mesh_with_a_gradient_beside_a_textured_one_keeps_the_gradient(tmp_path, picture):
    mesh = inspect_mesh(with_a_gradient_beside(GltfFile(TEXCOORD_0=UV), picture, tmp_path / "a.gltf")).value
    reds = [float(color_on(mesh, 2 + x, 0.5)[0]) for x in (0.05, 0.5, 0.95)]
    assert reds[0] < 0.15 and 0.4 < reds[1] < 0.6 and reds[2] > 0.85  # interpolated between the corners' sRGB
    np.testing.assert_allclose(color_on(mesh, 0.2, 0.2), [0, 0, 1], atol=0.01)


def test_a_gradient_of_too_many_faces_beside_a_texture_is_said(tmp_path, picture, monkeypatch):
    for module in ("reading", "painting"):
        monkeypatch.setattr(f"maquette.meshes.{module}.MOST_BAKED", 1)
    loaded = inspect_mesh(with_a_gradient_beside(GltfFile(TEXCOORD_0=UV), picture, tmp_path / "a.gltf"))
    assert loaded.warnings == ("a part of 2 faces beside textures gets one colour for each face",)


@pytest.mark.parametrize(
    ("transform", "lower_left"),
    [
        ({"offset": [0.5, 0.5], "scale": [0.5, 0.5]}, [1, 1, 0]),
        ({"offset": [0, 1], "scale": [1, -1]}, [1, 0, 0]),  # upside down
        ({"offset": [0, 1], "rotation": np.pi / 2}, [1, 1, 0]),  # the specification's example: turned clockwise
    ],
)
def test_texture_transforms(tmp_path, picture, transform, lower_left):
    file = GltfFile(TEXCOORD_0=UV)
    file.texture(picture)["extensions"] = {"KHR_texture_transform": transform}
    mesh = inspect_mesh(file.write(tmp_path / "a.gltf")).value
    np.testing.assert_allclose(color_on(mesh, 0.25, 0.25), lower_left, atol=0.01)


def test_the_uv_set_that_the_texture_names_is_taken(tmp_path, picture):
    file = GltfFile(TEXCOORD_0=np.zeros((4, 2), np.float32), TEXCOORD_1=UV)
    file.texture(picture)["texCoord"] = 1
    loaded = inspect_mesh(file.write(tmp_path / "a.gltf"))
    np.testing.assert_allclose(loaded.value.uv, [[0, 0], [1, 0], [1, 1], [0, 1]], atol=1e-6)
    assert loaded.facts["uv_sets"] == 2
    np.testing.assert_allclose(loaded.facts["mean_color"], [0.5, 0.5, 0.25], atol=0.01)


def test_a_uv_set_that_is_not_there_is_said(tmp_path, picture):
    file = GltfFile()
    file.texture(picture)
    assert any("TEXCOORD_0" in warning for warning in inspect_mesh(file.write(tmp_path / "a.gltf")).warnings)


@pytest.mark.parametrize(("wrap", "color"), [(33071, [0, 1, 0]), (10497, [1, 0, 0]), (33648, [0, 1, 0])])
def test_textures_end_repeat_or_are_mirrored_beyond_their_border(tmp_path, picture, wrap, color):
    stretched = UV * [2, 1]
    file = GltfFile(TEXCOORD_0=stretched.astype(np.float32))
    file.texture(picture, wrapS=wrap, wrapT=wrap)
    mesh = inspect_mesh(file.write(tmp_path / "a.gltf")).value
    np.testing.assert_allclose(color_on(mesh, 0.625, 0.75), color, atol=0.02)  # u = 1.25, upper half
    np.testing.assert_allclose(color_on(mesh, 0.125, 0.75), [1, 0, 0], atol=0.02)


def test_quantised_positions_and_uv(tmp_path, picture):
    corners = np.round(CORNERS * 32767).astype(np.int16)
    file = GltfFile(POSITION=corners, TEXCOORD_0=(UV * 65535).astype(np.uint16))
    file.texture(picture)
    file.tree |= {"extensionsUsed": ["KHR_mesh_quantization"], "extensionsRequired": ["KHR_mesh_quantization"]}
    path = file.write(tmp_path / "a.gltf")
    np.testing.assert_allclose(place(path), CORNERS, atol=1e-4)
    np.testing.assert_allclose(read_mesh(path).uv, [[0, 0], [1, 0], [1, 1], [0, 1]], atol=1e-4)


@pytest.mark.parametrize("base", [True, False])
def test_sparse_accessors(tmp_path, base):
    file = GltfFile()
    accessor = file.tree["accessors"][0]
    index = file.view(np.array([1, 2], np.uint16).tobytes())
    values = file.view(np.array([[3, 0, 0], [3, 3, 0]], np.float32).tobytes())
    accessor["sparse"] = {
        "count": 2, "indices": {"bufferView": index, "componentType": 5123}, "values": {"bufferView": values},
    }  # fmt: skip
    if not base:
        del accessor["bufferView"]
    path = file.write(tmp_path / "a.gltf")
    expected = [[0, 0, 0], [3, 0, 0], [3, 3, 0], [0, 1 if base else 0, 0]]
    np.testing.assert_allclose(place(path), np.array(expected), atol=1e-6)


def test_interleaved_attributes(tmp_path):
    file = GltfFile()
    rows = np.zeros((4, 5), np.float32)
    rows[:, 1:4] = CORNERS
    view = file.view(rows.tobytes())
    file.tree["bufferViews"][view]["byteStride"] = 20
    file.tree["accessors"][0] |= {"bufferView": view, "byteOffset": 4}
    np.testing.assert_allclose(place(file.write(tmp_path / "a.gltf")), CORNERS)


@pytest.mark.parametrize("where", ["mesh", "node"])
def test_morph_targets_stand_at_their_default_weights(tmp_path, where):
    file = GltfFile()
    lift = np.array([[0, 0, 0], [0, 0, 0], [0, 2, 0], [0, 2, 0]], np.float32)
    file.primitive["targets"] = [{"POSITION": file.array(lift)}]
    file.tree["meshes"][0]["weights"] = [0.0 if where == "node" else 0.5]
    if where == "node":
        file.tree["nodes"][0]["weights"] = [0.5]
    assert place(file.write(tmp_path / "a.gltf"))[:, 1].max() == pytest.approx(2)


def test_morph_targets_at_rest_are_named(tmp_path):
    file = GltfFile()
    file.primitive["targets"] = [{"POSITION": file.array(CORNERS)}]
    loaded = inspect_mesh(file.write(tmp_path / "a.gltf"))
    assert any("morph" in name for name in loaded.ignored) and loaded.value.bounds[1].tolist() == [0, 1, 1]


def test_a_skin_poses_the_mesh_by_its_joints_and_not_by_its_node(tmp_path):
    joints = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], np.uint8)
    file = GltfFile(WEIGHTS_0=np.tile(np.float32([1, 0, 0, 0]), (4, 1)))
    file.primitive["attributes"]["JOINTS_0"] = file.array(joints, normalized=False)
    bind = np.stack([np.eye(4), np.eye(4)]).astype(np.float32)
    bind[1, 3, 0] = -1  # column-major: moves by -1 along x
    file.tree["skins"] = [{"joints": [1, 2], "inverseBindMatrices": file.array(bind.reshape(2, 16))}]
    file.tree["nodes"] = [
        {"mesh": 0, "skin": 0, "translation": [50, 50, 50]}, {}, {"translation": [5, 0, 0]},
    ]  # fmt: skip
    file.tree["scenes"][0]["nodes"] = [0, 1, 2]
    found = place(file.write(tmp_path / "a.gltf"))
    np.testing.assert_allclose(found, [[0, 0, 0], [5, 0, 0], [5, 1, 0], [0, 1, 0]], atol=1e-6)


def test_instances_stand_where_the_extension_puts_them(tmp_path):
    file = GltfFile()
    quarter = np.sqrt(0.5)
    attributes = {
        "TRANSLATION": file.array(np.array([[0, 0, 0], [10, 0, 0]], np.float32)),
        "ROTATION": file.array(np.array([[0, 0, 0, 1], [0, 0, quarter, quarter]], np.float32)),
        "SCALE": file.array(np.array([[1, 1, 1], [2, 2, 2]], np.float32)),
    }
    file.tree["nodes"][0] |= {
        "translation": [0, 1, 0],
        "extensions": {"EXT_mesh_gpu_instancing": {"attributes": attributes}},
    }
    file.tree |= {"extensionsUsed": ["EXT_mesh_gpu_instancing"], "extensionsRequired": ["EXT_mesh_gpu_instancing"]}
    found = place(file.write(tmp_path / "a.gltf"))
    assert len(found) == 8
    np.testing.assert_allclose([found.min(0), found.max(0)], [[0, 1, 0], [10, 3, 0]], atol=1e-5)


@pytest.mark.parametrize("mode", [5, 6])
@pytest.mark.parametrize("indexed", [True, False])
def test_strips_and_fans_are_wound_like_their_first_triangle(tmp_path, mode, indexed):
    order = [0, 1, 3, 2] if mode == 5 else [0, 1, 2, 3]
    file = GltfFile(np.array(order, np.uint8)) if indexed else GltfFile(None, POSITION=CORNERS[order])
    file.primitive["mode"] = mode
    mesh = inspect_mesh(file.write(tmp_path / "a.gltf")).value
    assert len(mesh.faces) == 2 and mesh.face_areas.sum() == pytest.approx(1)
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    assert (np.cross(b - a, c - a)[:, 0] > 0).all()  # the file's z is the world's x


def test_hidden_nodes_other_scenes_and_lines_are_not_read_and_are_named(tmp_path):
    file = GltfFile()
    file.tree["nodes"] += [
        {"mesh": 0, "translation": [9, 0, 0], "extensions": {"KHR_node_visibility": {"visible": False}}},
        {"mesh": 0, "translation": [0, 9, 0]},
    ]
    file.tree["scenes"] = [{"nodes": [0, 1]}, {"nodes": [2]}]
    file.tree["meshes"][0]["primitives"].append({"attributes": file.primitive["attributes"], "mode": 1})
    loaded = inspect_mesh(file.write(tmp_path / "a.gltf"))
    assert len(loaded.value.faces) == 2 and {"1 other scenes", "1 primitives of lines"} <= set(loaded.ignored)


def test_specular_glossiness_gives_its_diffuse_colour(tmp_path, picture):
    file = GltfFile()
    file.material(extensions={"KHR_materials_pbrSpecularGlossiness": {"diffuseFactor": [1, 0.5, 0, 1]}})
    mesh = read_mesh(file.write(tmp_path / "a.gltf"))
    np.testing.assert_allclose(mesh.vertex_colors, [[1, LINEAR_GREY, 0]] * 4, atol=1e-4)
    file = GltfFile(TEXCOORD_0=UV)
    file.texture(picture)
    file.tree["materials"] = [{"extensions": {"KHR_materials_pbrSpecularGlossiness": {"diffuseTexture": {"index": 0}}}}]
    np.testing.assert_allclose(
        read_mesh(file.write(tmp_path / "b.gltf")).texture.mean((0, 1)), [0.5, 0.5, 0.25], atol=0.01
    )


@pytest.mark.parametrize("mode", ["MASK", "BLEND"])
def test_transparency_is_named(tmp_path, mode):
    file = GltfFile()
    file.material(alphaMode=mode, name="glass", emissiveFactor=[1, 0, 0])
    ignored = inspect_mesh(file.write(tmp_path / "a.gltf")).ignored
    assert f"transparency (alphaMode {mode} of glass)" in ignored and "emission" in ignored


def test_webp_textures_are_read(tmp_path):
    Image.fromarray(QUARTERS).save(tmp_path / "four.webp", lossless=True)
    file = GltfFile(TEXCOORD_0=UV)
    file.texture({"uri": "four.webp"})
    file.tree["textures"] = [{"extensions": {"EXT_texture_webp": {"source": 0}}}]
    file.tree |= {"extensionsUsed": ["EXT_texture_webp"], "extensionsRequired": ["EXT_texture_webp"]}
    np.testing.assert_allclose(
        read_mesh(file.write(tmp_path / "a.gltf")).texture.mean((0, 1)), [0.5, 0.5, 0.25], atol=0.01
    )


def test_a_mesh_compressed_by_draco_is_read(tmp_path):
    draco = pytest.importorskip("DracoPy")
    data = draco.encode(CORNERS, FACES.astype(np.uint32), quantization_bits=14, preserve_order=True)
    ids = [attribute["unique_id"] for attribute in draco.decode(data).attributes]
    file = GltfFile()
    for accessor in file.tree["accessors"]:
        del accessor["bufferView"]
    extension = {"bufferView": file.view(data), "attributes": {"POSITION": ids[0]}}
    file.primitive["extensions"] = {"KHR_draco_mesh_compression": extension}
    file.tree |= {f"extensions{kind}": ["KHR_draco_mesh_compression"] for kind in ("Used", "Required")}
    mesh = inspect_mesh(file.write(tmp_path / "a.gltf")).value
    assert mesh.face_areas.sum() == pytest.approx(1, abs=1e-3) and mesh.bounds[1].tolist() == pytest.approx([0, 1, 1])


def changed(change):
    def write(path):
        file = GltfFile(TEXCOORD_0=UV)
        change(file)
        return file.write(path)

    return write


def set_in(file, key, value):
    target = file.tree
    *way, last = key.split(".")
    for step in way:
        target = target[int(step)] if step.isdigit() else target[step]
    target[int(last) if last.isdigit() else last] = value


BROKEN = {
    "extension": (lambda f: set_in(f, "extensionsRequired", ["ACME_shape"]), "ACME_shape"),
    "meshopt": (
        lambda f: (set_in(f, "buffers", [{"byteLength": len(f.data)}]),
                   set_in(f, "bufferViews.0.extensions", {"EXT_meshopt_compression": {}})),
        "EXT_meshopt_compression.*gltf-transform",
    ),
    "basisu": (
        lambda f: (f.texture({"uri": "a.ktx2"}),
                   set_in(f, "textures", [{"extensions": {"KHR_texture_basisu": {"source": 0}}}])),
        "KHR_texture_basisu.*gltf-transform",
    ),
    "index": (lambda f: set_in(f, "accessors.0.count", 3), "index 3 is outside 3 vertices|TEXCOORD_0 has 4 elements"),
    "view": (lambda f: set_in(f, "accessors.0.bufferView", 9), r"bufferViews\[9\], but has 3"),
    "negative view": (lambda f: set_in(f, "accessors.0.bufferView", -1), "-1, not a whole number"),
    "accessor cut off": (lambda f: set_in(f, "accessors.0.count", 400), "it is cut off"),
    "view cut off": (lambda f: set_in(f, "bufferViews.0.byteLength", 10**9), "it is cut off"),
    "buffer cut off": (
        lambda f: set_in(f, "buffers", [{"byteLength": 999, "uri": "data:;base64,AAAA"}]), "it is cut off",
    ),
    "huge blank": (
        lambda f: (f.tree["accessors"][0].pop("bufferView"), set_in(f, "accessors.0.count", 10**12)), "and no data",
    ),
    "bad base64": (lambda f: set_in(f, "buffers", [{"byteLength": 1, "uri": "data:;base64,!"}]), "no base64"),
    "version": (lambda f: set_in(f, "asset.version", "1.0"), "version 1.0"),
    "a buffer for a number": (lambda f: set_in(f, "scene", ["x" * 9999]), "an index into scenes is"),
    "cycle": (lambda f: set_in(f, "nodes", [{"mesh": 0, "children": [0]}]), "reached twice"),
    "type": (lambda f: set_in(f, "accessors.0.type", "VEC2"), "POSITION is of type VEC2"),
    "tree": (lambda f: set_in(f, "nodes", "none"), "nodes is no list"),
    "node": (lambda f: set_in(f, "nodes", [7]), r"nodes\[0\] is no object"),
    "matrix": (lambda f: set_in(f, "nodes.0.matrix", [1, 2, 3]), "cannot reshape|structure is wrong"),
    "nan": (lambda f: set_in(f, "nodes.0.translation", [float("nan"), 0, 0]), "not finite"),
    "no positions": (lambda f: f.primitive["attributes"].pop("POSITION"), "no positions"),
    "lines alone": (lambda f: f.primitive.update(mode=1), "holds nothing"),
    "mode": (lambda f: f.primitive.update(mode=9), "mode 9"),
    "material": (lambda f: f.primitive.update(material=3), r"materials\[3\], but has 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused_in_one_line_that_names_the_fault(tmp_path, case):
    change, words = BROKEN[case]
    (tmp_path / "a.ktx2").write_bytes(b"\xabKTX 20\xbb")
    path = changed(change)(tmp_path / "broken.gltf")
    with pytest.raises(ConfigError, match=words) as refusal:
        read_mesh(path, key="geometry.path")
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 600 and "broken.gltf" in str(refusal.value)


def test_positions_that_are_not_finite_are_refused(tmp_path):
    corners = CORNERS.copy()
    corners[1, 1] = np.nan
    with pytest.raises(ConfigError, match="1 of its vertices are not finite"):
        read_mesh(GltfFile(POSITION=corners).write(tmp_path / "a.gltf"))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_uv_that_are_not_finite_or_absurd_are_refused(tmp_path, picture, value):
    uv = UV.copy()
    uv[2, 0] = value
    file = GltfFile(TEXCOORD_0=uv)
    file.texture(picture)
    with pytest.raises(ConfigError, match="some of its uv are not finite"):
        read_mesh(file.write(tmp_path / "a.gltf"))


@pytest.mark.parametrize("length", [3, 11, 19, 40, 200, 500])
def test_a_glb_that_is_cut_off_is_refused(tmp_path, length):
    whole = GltfFile().write(tmp_path / "a.glb").read_bytes()
    (tmp_path / "b.glb").write_bytes(whole[:length])
    with pytest.raises(ConfigError, match=r"cut off|JSON"):
        read_mesh(tmp_path / "b.glb")


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = GltfFile().write(tmp_path / "a.gltf")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_mesh(path).faces) == 2


def test_optional_extensions_that_are_not_read_are_named(tmp_path):
    file = GltfFile()
    file.tree["extensionsUsed"] = ["ACME_notes"]
    assert "ACME_notes" in inspect_mesh(file.write(tmp_path / "a.gltf")).ignored


def test_the_account_is_made_of_json_types(tmp_path, picture):
    file = GltfFile(TEXCOORD_0=UV)
    file.texture(picture)
    account = json.loads(json.dumps(inspect_mesh(file.write(tmp_path / "a.gltf")).account()))
    assert account["faces"] == 2 and account["bounds"] == [[0, 0, 0], [0, 1, 1]] and account["format"] == "gltf"
    assert account["textures"] == [[8, 8]] and account["components"] == 1 and account["watertight"] is False
