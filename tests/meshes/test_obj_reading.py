"""OBJ and MTL files as programs write them: every statement is honoured, named or refused with its line."""

import numpy as np
import pytest
from PIL import Image

from maquette.errors import ConfigError
from maquette.meshes.reading import inspect_mesh, read_mesh

QUARTERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8).repeat(4, 0).repeat(4, 1)
CORNERS = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
UV = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
COLORED = "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 1 1 0 0 0 1\nv 0 1 0 1 1 0\n"
RAINBOW = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
TEXTURED = CORNERS + UV + "usemtl paint\nf 1/1 2/2 3/3 4/4\n"


def inspect(folder, text, mtl=None, name="a.obj"):
    Image.fromarray(QUARTERS).save(folder / "four.png")
    if mtl is not None:
        (folder / "a.mtl").write_text(mtl)
    data = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(data)
    return inspect_mesh(folder / name)


def test_a_missing_mtl_is_a_warning(tmp_path):
    loaded = inspect(tmp_path, "mtllib gone.mtl\n" + COLORED + "usemtl paint\nf 1 2 3 4\n")
    assert loaded.value.vertex_colors.tolist() == RAINBOW and "gone.mtl" in loaded.warnings[0]
    plain = inspect(tmp_path, "mtllib gone.mtl\n" + TEXTURED).value
    assert len(plain.faces) == 2 and plain.vertex_colors is None and plain.texture is None


@pytest.mark.parametrize(
    "options",
    [
        "", "-clamp on -o 0 0 0 -s 1 1 1 ", "-blendu on -blendv off -boost 1.5 -mm 0 1 -texres 256 ",
        "-imfchan l -bm 0.3 ", "-s 1 ", "-o 0 0 ", "-cc on -type sphere ",
    ],
)  # fmt: skip
def test_options_of_map_kd_are_no_part_of_its_name(tmp_path, options):
    mesh = inspect(tmp_path, "mtllib a.mtl\n" + TEXTURED, f"newmtl paint\nKd 1 1 1\nmap_Kd {options}four.png\n").value
    assert mesh.texture.shape == (8, 8, 3)
    np.testing.assert_allclose(mesh.uv, [[0, 0], [1, 0], [1, 1], [0, 1]], atol=1e-6)


def test_scale_and_offset_of_a_map_move_the_uv(tmp_path):
    mesh = inspect(tmp_path, "mtllib a.mtl\n" + TEXTURED, "newmtl paint\nmap_Kd -s .5 .5 -o .5 0 four.png\n").value
    np.testing.assert_allclose(mesh.uv, [[0.5, 0], [1, 0], [1, 0.5], [0.5, 0.5]], atol=1e-6)  # the yellow quarter


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("map_Kd my picture (1).png", "my picture (1).png"), ("map_Kd textures\\four.png", "textures/four.png"),
        ('map_Kd "four 2.png"', "four 2.png"), ("MAP_KD -s 1 1 my four.png", "my four.png"),
        ("map_Kd C:\\Users\\me\\lost.png", "lost.png"), ("map_Kd farbe-gr\u00fcn.png", "farbe-gr\u00fcn.png"),
    ],
)  # fmt: skip
def test_names_with_spaces_backslashes_and_other_machines_paths(tmp_path, line, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    Image.fromarray(QUARTERS).save(tmp_path / name)
    mesh = inspect(tmp_path, "mtllib a.mtl\n" + TEXTURED, f"newmtl paint\n{line}\n").value
    assert mesh.texture.shape == (8, 8, 3)


def test_material_and_library_names_may_hold_spaces(tmp_path):
    (tmp_path / "my colours.mtl").write_text("newmtl deep red\nKd 0.8 0 0\n")
    mesh = inspect(tmp_path, "mtllib my colours.mtl\n" + CORNERS + "usemtl deep red\nf 1 2 3 4\n").value
    np.testing.assert_allclose(mesh.vertex_colors, [[0.8, 0, 0]] * 4, atol=1e-6)


def test_several_materials_and_libraries(tmp_path):
    (tmp_path / "b.mtl").write_text("newmtl blue\nKd 0 0 1\n")
    text = "mtllib a.mtl b.mtl\n" + CORNERS + "usemtl red\nf 1 2 3\nusemtl blue\nf 1 3 4\nusemtl red\nf 4 3 2\n"
    mesh = inspect(tmp_path, text, "newmtl red\nKd 1 0 0\n").value
    faces = mesh.vertex_colors[mesh.faces]
    assert (
        sorted(map(tuple, faces[:, 0].tolist())) == [(0, 0, 1), (1, 0, 0), (1, 0, 0)]
        and np.ptp(faces, axis=1).max() == 0
    )


def test_vertex_colours_stay_where_there_are_uv_but_no_texture(tmp_path):
    loaded = inspect(tmp_path, COLORED + UV + "f 1/1 2/2 3/3 4/4\n")
    assert loaded.value.vertex_colors.tolist() == RAINBOW and loaded.value.texture is None


@pytest.mark.parametrize("scale", [1, 255])
def test_vertex_colours_of_0_to_255_are_scaled(tmp_path, scale):
    text = "".join(f"v {i} {i * i} 0 {scale} 0 {scale}\n" for i in range(3)) + "f 1 2 3\n"
    assert inspect(tmp_path, text).value.vertex_colors.tolist() == [[1, 0, 1]] * 3


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (CORNERS + "f 0 1 2\n", 5, "index 0.*indices begin at 1"),
        (CORNERS + UV + "f 1/0 2/1 3/2\n", 9, "index 0.*indices begin at 1"),
        (CORNERS + "f 1 2 5\n", 5, "index 5 is outside 4 vertices"),
        (CORNERS + UV + "f 1/1 2/2 3/9\n", 9, "index 9 is outside 4 uv"),
        (CORNERS + "f -1 -2 -5\n", 5, "index -5 is outside 4 vertices"),
        (CORNERS + "f 1 2 x\n", 5, "'x' is no index"),
        (CORNERS + "\nf 1 2 3.5\n", 6, "'3.5' is no index"),
        ("v 0 0 0\nv 1 0\nv 1 1 0\nf 1 2 3\n", 2, "'1 0' are not 3 numbers"),
        ("v 0 0 0\nv 1,5 0 0\nv 1 1 0\nf 1 2 3\n", 2, "are not 3 numbers"),
    ],
)
def test_wrong_statements_are_refused_with_their_line(tmp_path, text, line, words):
    with pytest.raises(ConfigError, match=words) as refusal:
        inspect(tmp_path, text)
    assert f"a.obj:{line}" in str(refusal.value)


def test_negative_indices_count_back_from_where_they_stand(tmp_path):
    mesh = inspect(tmp_path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 9 9 9\n").value
    assert mesh.bounds[1].tolist() == [1, 1, 0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, newline):
    text = (f"# gr\u00fcn\n{CORNERS}f 1 2 \\\n 3 4\n").replace("\n", newline)
    assert len(inspect(tmp_path, text.encode(encoding)).value.faces) == 2


def test_polygons_that_are_not_convex_are_cut_inside(tmp_path):
    arrow = "v 0 0 0\nv 4 0 0\nv 4 4 0\nv 3 1 0\n"  # the corner (3, 1) points inward
    mesh = inspect(tmp_path, arrow + "f 1 2 3 4\n").value
    assert mesh.face_areas.sum() == pytest.approx(4)
    shape = [(0, 0), (6, 0), (6, 1), (1, 1), (1, 5), (6, 5), (6, 6), (0, 6)]  # a C
    text = "".join(f"v {x} 0 {y}\n" for x, y in shape) + "f 1 2 3 4 5 6 7 8\n"
    mesh = inspect(tmp_path, text).value
    assert mesh.face_areas.sum() == pytest.approx(6 + 6 + 4)
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    assert len({tuple(np.sign(n)) for n in np.cross(b - a, c - a)}) == 1


def test_a_large_polygon_with_a_hole_on_a_bridge_is_cut_inside(tmp_path):
    angle = np.linspace(0, 2 * np.pi, 201)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # closed: the first corner comes again
    corners = np.concatenate([ring, 0.5 * ring[::-1]])
    text = "".join(f"v {x:.9f} {y:.9f} 0\n" for x, y in corners) + "f " + " ".join(map(str, range(1, len(corners) + 1)))
    mesh = inspect(tmp_path, text + "\n").value
    assert mesh.face_areas.sum() == pytest.approx(np.pi * (1 - 0.25), rel=1e-3)


def test_lines_and_free_forms_are_named(tmp_path):
    loaded = inspect(tmp_path, CORNERS + "f 1 2 3\nl 1 2 3\ncurv 0 1 1 2\nvn 0 0 1\n")
    assert {"lines", "curves", "normals"} <= set(loaded.ignored)


def test_what_a_material_has_beside_its_colour_is_named(tmp_path):
    mtl = "newmtl paint\nKd 1 0 0\nd 0.5\nmap_Bump bumps.png\nKe 1 1 1\nPm 0.3\n"
    loaded = inspect(tmp_path, "mtllib a.mtl\n" + CORNERS + "usemtl paint\nf 1 2 3\n", mtl)
    assert {"transparency", "normal map", "emission"} <= set(loaded.ignored)


def test_a_texture_that_is_no_picture_is_refused_by_name(tmp_path):
    (tmp_path / "broken.png").write_text("this is no picture")
    with pytest.raises(ConfigError, match=r"broken\.png cannot be read as a picture .*a\.obj"):
        inspect(tmp_path, "mtllib a.mtl\n" + TEXTURED, "newmtl paint\nmap_Kd broken.png\n")
    with pytest.raises(ConfigError, match=r"gone\.png, which is not beside it"):
        inspect(tmp_path, "mtllib a.mtl\n" + TEXTURED, "newmtl paint\nmap_Kd gone.png\n")


@pytest.mark.parametrize(
    ("pixels", "mode", "second"),
    [
        (np.tile(np.arange(8, dtype=np.uint16) * 9362, (8, 1)), None, 0.143),
        (np.tile(np.arange(8, dtype=np.uint8) * 36, (8, 1)), "L", 0.141),
        (np.tile(np.arange(8, dtype=np.int32) * 9362, (8, 1)), None, 0.143),
    ],
    ids=["16-bit", "grey", "32-bit"],
)
def test_textures_of_more_or_fewer_bits(tmp_path, pixels, mode, second):
    picture = Image.fromarray(pixels)
    picture.save(tmp_path / "ramp.png" if pixels.dtype != np.int32 else tmp_path / "ramp.tif")
    name = "ramp.png" if pixels.dtype != np.int32 else "ramp.tif"
    mesh = inspect(tmp_path, "mtllib a.mtl\n" + TEXTURED, f"newmtl paint\nmap_Kd {name}\n").value
    assert mesh.texture[0, 1].tolist() == pytest.approx([second] * 3, abs=2e-3)
    assert mesh.texture.mean() == pytest.approx(0.5, abs=0.01)


def test_a_palette_with_transparency_and_cmyk(tmp_path):
    Image.fromarray(QUARTERS).quantize(4).save(tmp_path / "palette.png", transparency=0)
    Image.fromarray(QUARTERS).convert("CMYK").save(tmp_path / "cmyk.tif")
    for name in ("palette.png", "cmyk.tif"):
        mesh = inspect(tmp_path, "mtllib a.mtl\n" + TEXTURED, f"newmtl paint\nmap_Kd {name}\n").value
        np.testing.assert_allclose(mesh.texture[0, 0], [1, 0, 0], atol=0.02)


def test_an_upright_photograph_stays_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # the camera was upside down
    Image.fromarray(QUARTERS[::-1, ::-1]).save(tmp_path / "turned.png", exif=exif)
    mesh = inspect(tmp_path, "mtllib a.mtl\n" + TEXTURED, "newmtl paint\nmap_Kd turned.png\n").value
    np.testing.assert_allclose(mesh.texture[0, 0], [1, 0, 0], atol=0.02)


def test_read_mesh_logs_what_is_doubtful(tmp_path, caplog):
    inspect(tmp_path, "mtllib gone.mtl\n" + TEXTURED)
    read_mesh(tmp_path / "a.obj")
    assert "gone.mtl is not beside it" in caplog.text
