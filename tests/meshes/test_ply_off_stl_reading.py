"""PLY, OFF and STL: colours in every spelling in use, lists of any length, cut-off files refused."""

import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from maquette.errors import ConfigError
from maquette.meshes.reading import inspect_mesh, read_mesh

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
RAINBOW = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
QUARTERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8).repeat(4, 0).repeat(4, 1)


def ply(path, kinds, rows, faces=((0, 1, 2), (0, 2, 3)), face_kinds=(), face_rows=None, encoding="ascii", comments=()):
    """A PLY file: kinds are (type, name) of vertices; faces have a list of vertices, then face_kinds."""
    header = ["ply", f"format {encoding} 1.0", *(f"comment {line}" for line in comments)]
    header += [f"element vertex {len(rows)}", *(f"property {kind} {name}" for kind, name in kinds)]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    header += [f"property {kind} {name}" for kind, name in face_kinds]
    codes = {"float": "f", "double": "d", "uchar": "B", "ushort": "H", "int": "i", "list uchar float": "f"}
    order = "<" if "little" in encoding else ">"
    body = b""
    for row in rows:
        for (kind, _), value in zip(kinds, row, strict=True):
            number = float(value) if kind in ("float", "double") else int(value)
            body += f"{number} ".encode() if encoding == "ascii" else struct.pack(order + codes[kind], number)
        body += b"\n" if encoding == "ascii" else b""
    for face, more in zip(faces, face_rows or [()] * len(faces), strict=True):
        if encoding == "ascii":
            body += f"{len(face)} {' '.join(map(str, face))} ".encode()
        else:
            body += struct.pack(f"{order}B{len(face)}i", len(face), *face)
        for (kind, _), value in zip(face_kinds, more, strict=True):
            values = value if isinstance(value, (list, tuple)) else [value]
            if encoding == "ascii":
                head = f"{len(values)} " if kind.startswith("list") else ""
                body += f"{head}{' '.join(map(str, values))} ".encode()
            else:
                body += struct.pack("B", len(values)) if kind.startswith("list") else b""
                body += struct.pack(f"{order}{len(values)}{codes[kind]}", *values)
        body += b"\n" if encoding == "ascii" else b""
    path.write_bytes("\n".join([*header, "end_header", ""]).encode() + body)
    return path


XYZ = [("float", "x"), ("float", "y"), ("float", "z")]
ENCODINGS = ["ascii", "binary_little_endian", "binary_big_endian"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("names", "kind", "scale"),
    [
        ("red green blue", "uchar", 255), ("diffuse_red diffuse_green diffuse_blue", "uchar", 255),
        ("r g b", "uchar", 255), ("red green blue", "float", 1), ("red green blue", "float", 255),
        ("red green blue", "ushort", 65535), ("red green blue", "double", 1), ("red green blue", "int", 255),
    ],
)  # fmt: skip
def test_vertex_colours_of_ply(tmp_path, encoding, names, kind, scale):
    rows = np.concatenate([CORNERS, np.array(RAINBOW) * scale], axis=1)
    path = ply(tmp_path / "a.ply", [*XYZ, *((kind, name) for name in names.split())], rows, encoding=encoding)
    loaded = inspect_mesh(path)
    np.testing.assert_allclose(loaded.value.vertex_colors, RAINBOW, atol=1e-6)
    assert loaded.used == ("vertex colors",) and loaded.facts["faces"] == 2


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_polygons_of_different_lengths_and_face_colours(tmp_path, encoding):
    kinds = [("uchar", name) for name in ("red", "green", "blue")]
    rows = np.concatenate([CORNERS, [[2, 0, 0], [2, 1, 0]]])
    faces, colors = ((0, 1, 2, 3), (1, 4, 5), (1, 5, 2)), [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    path = ply(tmp_path / "a.ply", XYZ, rows, faces, kinds, colors, encoding)
    mesh = inspect_mesh(path).value
    assert mesh.vertex_colors[mesh.faces][:, 0].tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert mesh.face_areas.tolist() == pytest.approx([0.5] * 4)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("where", ["vertices", "faces"])
def test_a_textured_ply(tmp_path, encoding, where):
    Image.fromarray(QUARTERS).save(tmp_path / "my four.png")
    if where == "vertices":
        rows, kinds = np.concatenate([CORNERS, CORNERS[:, :2]], axis=1), [*XYZ, ("float", "s"), ("float", "t")]
        path = ply(tmp_path / "a.ply", kinds, rows, encoding=encoding, comments=["TextureFile my four.png"])
    else:
        wedges = [([0, 0, 1, 0, 1, 1],), ([0, 0, 1, 1, 0, 1],)]
        path = ply(
            tmp_path / "a.ply", XYZ, CORNERS, face_kinds=[("list uchar float", "texcoord")], face_rows=wedges,
            encoding=encoding, comments=["TextureFile my four.png"],
        )  # fmt: skip
    mesh = inspect_mesh(path).value
    np.testing.assert_allclose(mesh.uv, mesh.vertices[:, :2], atol=1e-6)
    assert mesh.texture.shape == (8, 8, 3)


def test_uv_without_a_texture_keep_the_colours_of_a_ply(tmp_path):
    kinds = [*XYZ, ("float", "s"), ("float", "t"), *(("uchar", name) for name in ("red", "green", "blue"))]
    rows = np.concatenate([CORNERS, CORNERS[:, :2], np.array(RAINBOW) * 255], axis=1)
    mesh = inspect_mesh(ply(tmp_path / "a.ply", kinds, rows)).value
    assert mesh.texture is None and mesh.vertex_colors.tolist() == RAINBOW


def test_triangle_strips_of_ply(tmp_path):
    rows = "".join(f"{x} {y} {z}\n" for x, y, z in [*CORNERS[[0, 1, 3, 2]], [5, 0, 0], [6, 0, 0], [5, 1, 0]])
    text = "ply\nformat ascii 1.0\nelement vertex 7\nproperty float x\nproperty float y\nproperty float z\n"
    text += "element tristrips 1\nproperty list int int vertex_indices\nend_header\n" + rows + "8 0 1 2 3 -1 4 5 6\n"
    (tmp_path / "a.ply").write_text(text)
    mesh = inspect_mesh(tmp_path / "a.ply").value
    assert mesh.face_areas.tolist() == pytest.approx([0.5] * 3)
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("missing", [1, 7, 30])
def test_a_ply_that_is_cut_off_is_refused(tmp_path, encoding, missing):
    path = ply(tmp_path / "a.ply", XYZ, CORNERS, ((0, 1, 2), (0, 2, 3), (0, 1, 2, 3)), encoding=encoding)
    data = path.read_bytes().rstrip(b" \n") if encoding == "ascii" else path.read_bytes()
    path.write_bytes(data[:-missing])
    with pytest.raises(ConfigError, match=r"cut off|number of|outside"):
        read_mesh(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"element vertex 4", b"element vertex 4000000000", "more than it has bytes"),
        (b"element vertex 4", b"element vertex -4", "more than it has bytes"),
        (b"property float x", b"property quad x", "its header says"),
        (b"property float x", b"property float a", "no x, y and z"),
        (b"format ascii", b"format morse", "its format is"),
        (b"3 0 1 2", b"3 0 1 4", "index 4 is outside 4 vertices"),
        (b"3 0 1 2", b"3 0 1 -1", "index -1 is outside 4 vertices"),
        (b"3 0 1 2", b"9999999 0 1 2", "a list of face has the length"),
        (b"1.0 0.0 0.0", b"1.0 nan 0.0", "1 of its vertices are not finite"),
        (b"1.0 0.0 0.0", b"1.0 x 0.0", "a number of vertex is none"),
        (b"end_header", b"end_heather", "header is cut off"),
    ],
)
def test_broken_ply(tmp_path, old, new, words):
    path = ply(tmp_path / "a.ply", XYZ, CORNERS)
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(ConfigError, match=words):
        read_mesh(path)


PLY_HEAD = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
PLY_HEAD += "element face 1\nproperty list uchar int vertex_index\nend_header\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [("0 0 0 1 0 0\n0 1 0\n3 0 1\n2\n", ()), ("0 0 0 9\n1 0 0 9\n0 1 0 9\n3 0 1 2 9 9\n", ("vertex", "face"))],
)
def test_rows_over_several_lines_and_lines_with_more_than_a_row(tmp_path, body, words):
    (tmp_path / "a.ply").write_text(PLY_HEAD + body)
    loaded = inspect_mesh(tmp_path / "a.ply")
    assert loaded.value.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]] and loaded.facts["faces"] == 1
    assert [f"rows of {word} have more" in warning for word, warning in zip(words, loaded.warnings, strict=True)] == [
        True for _ in words
    ]


def off(path, head, vertices, faces):
    counts = f"{len(vertices)} {len(faces)} 0"
    path.write_text(f"{head}\n# a comment\n{counts}\n" + "\n".join([*vertices, *faces]) + "\n")
    return path


PLAIN = ["0 0 0", "1 0 0", "1 1 0", "0 1 0"]
FACES = ["3 0 1 2", "3 0 2 3"]


@pytest.mark.parametrize(("head", "middle"), [("COFF", ""), ("CNOFF", " 0 0 1"), ("OFF", "")])
@pytest.mark.parametrize("scale", [255, 1.0])
@pytest.mark.parametrize("alpha", [True, False])
def test_vertex_colours_of_off(tmp_path, head, middle, scale, alpha):
    colors = [" ".join(str(value * scale) for value in [*color, *([1] if alpha else [])]) for color in RAINBOW]
    vertices = [f"{place}{middle} {color}" for place, color in zip(PLAIN, colors, strict=True)]
    assert inspect_mesh(off(tmp_path / "a.off", head, vertices, FACES)).value.vertex_colors.tolist() == RAINBOW


@pytest.mark.parametrize("colors", [("255 0 0", "0 0 255"), ("1.0 0 0 1.0", "0.0 0 1.0 1.0")])
def test_face_colours_of_off(tmp_path, colors):
    faces = [f"{face} {color}" for face, color in zip(FACES, colors, strict=True)]
    mesh = inspect_mesh(off(tmp_path / "a.off", "OFF", PLAIN, faces)).value
    assert mesh.vertex_colors.tolist() == [[1, 0, 0]] * 3 + [[0, 0, 1]] * 3


def test_colours_by_number_are_named(tmp_path):
    assert any("number" in name for name in inspect_mesh(off(tmp_path / "a.off", "OFF", PLAIN, ["3 0 1 2 7"])).ignored)


def test_counts_on_the_first_line_and_polygons(tmp_path):
    (tmp_path / "a.off").write_text("OFF 4 1 4\n" + "\n".join(PLAIN) + "\n4 0 1 2 3\n")
    assert inspect_mesh(tmp_path / "a.off").value.face_areas.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("vertices", "faces", "words"),
    [
        (PLAIN, ["3 0 1 4"], "index 4 is outside 4 vertices"), (PLAIN, ["3 0 1"], "2 of 3 corners"),
        (["0 0", *PLAIN], FACES, "fewer than three numbers"), (["a b c", *PLAIN], FACES, "not 3 numbers"),
        (PLAIN, ["3 0 1 -2"], "index -2 is outside 4 vertices"), (PLAIN, ["x"], "not whole numbers"),
    ],
)  # fmt: skip
def test_broken_off(tmp_path, vertices, faces, words):
    with pytest.raises(ConfigError, match=words):
        read_mesh(off(tmp_path / "a.off", "OFF", vertices, faces))


@pytest.mark.parametrize("text", ["", "OFF\n", "OFF\n4 2 0\n0 0 0\n", "OFF BINARY\n4 2 0\n", "4OFF\n1 1 0\n0 0 0 0\n"])
def test_off_that_is_cut_off_or_of_another_kind(tmp_path, text):
    (tmp_path / "a.off").write_text(text)
    with pytest.raises(ConfigError, match=r"cut off|empty|binary|dimensions|missing"):
        read_mesh(tmp_path / "a.off")


def stl(path, header=b"", attributes=(0, 0)):
    body = b""
    for corners, attribute in zip(CORNERS[[[0, 1, 2], [0, 2, 3]]], attributes, strict=True):
        body += struct.pack("<12fH", 0, 0, 1, *corners.reshape(-1), attribute)
    path.write_bytes(header.ljust(80, b"\0") + struct.pack("<I", 2) + body)
    return path


def five(red, green, blue):
    return red | green << 5 | blue << 10


def test_colours_of_magics(tmp_path):
    header = b"COLOR=" + bytes([0, 255, 0, 255]) + b",MATERIAL="
    mesh = inspect_mesh(stl(tmp_path / "a.stl", header, (five(31, 0, 0), five(0, 0, 31) | 1 << 15))).value
    assert mesh.vertex_colors[mesh.faces][:, 0].tolist() == [[1, 0, 0], [0, 1, 0]]  # its own, and the object's


def test_colours_of_viscam(tmp_path):
    mesh = inspect_mesh(stl(tmp_path / "a.stl", b"solid", (five(31, 0, 0) | 1 << 15, five(0, 0, 31) | 1 << 15))).value
    assert mesh.vertex_colors[mesh.faces][:, 0].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert inspect_mesh(stl(tmp_path / "b.stl", b"solid binary")).value.vertex_colors is None


@pytest.mark.parametrize("kind", ["stl", "stl_ascii"])
def test_stl_is_read_as_trimesh_writes_it(tmp_path, kind):
    ball = trimesh.creation.icosphere(1)
    (tmp_path / "a.stl").write_bytes(
        data if isinstance(data := ball.export(file_type=kind), bytes) else data.encode()
    )  # fmt: skip
    loaded = inspect_mesh(tmp_path / "a.stl")
    assert loaded.value.volume == pytest.approx(ball.volume, rel=1e-4) and loaded.facts["watertight"]


def test_stl_that_is_cut_off_is_refused(tmp_path):
    path = stl(tmp_path / "a.stl")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ConfigError, match="cut off"):
        read_mesh(path)
    (tmp_path / "b.stl").write_text("solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\n")
    with pytest.raises(ConfigError, match="cut off"):
        read_mesh(tmp_path / "b.stl")
