"""Meshes and points in the layouts that programs write, each with what a right reading holds."""

from __future__ import annotations

import base64
import json
import random
import struct
from typing import Any

import numpy as np

from fuzz.case import Case

Written = tuple[dict[str, bytes], bool]  # the files, and whether the format tells the colour
COMPONENTS = {"|u1": 5121, "<u2": 5123, "<u4": 5125, "<f4": 5126}  # of glTF
TYPES = {"float": "f4", "float32": "f4", "double": "f8", "float64": "f8", "uchar": "u1", "uint8": "u1", "int": "i4", "uint": "u4", "short": "i2"}  # fmt: skip  # noqa: E501
TURN = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float)  # glTF's z, x, y are the world's x, y, z


def make_mesh(rng: random.Random) -> Case:
    """A bent sheet in a random layout of a random format, with its triangles and its one colour."""
    rows, columns, scale = rng.randint(2, 4), rng.randint(2, 4), rng.choice((0.25, 1, 16))
    vertices = np.array([[x, y, rng.randint(-32, 32) / 64] for x in range(rows) for y in range(columns)]) * scale
    vertices += [rng.randint(-9, 9) for _ in range(3)]  # which single precision holds exactly
    corners = [(x * columns + y, (x + 1) * columns + y) for x in range(rows - 1) for y in range(columns - 1)]
    faces = np.array([face for a, b in corners for face in ([a, b, a + 1], [a + 1, b, b + 1])])
    color, form = np.array([rng.randint(0, 255) for _ in range(3)]), rng.choice(list(WRITERS))
    files, colored = WRITERS[form](vertices, faces, color, rng)
    triangles = (vertices @ TURN.T if form in ("gltf", "glb") else vertices)[faces]
    mean = (color / 255).tolist() if colored else None
    return Case(form, files, f"a.{form}", expected={"triangles": triangles, "mean_color": mean})


def _row(values: Any, rng: random.Random) -> str:
    forms = ("{:.7f}", "{:g}", "{:.8e}", "{!r}", "{:+.6f}")
    return rng.choice((" ", "  ", "\t")).join(rng.choice(forms).format(float(value)) for value in values)


def _text(lines: list[str], rng: random.Random, extras: tuple[str, ...] = ("", "# note", "   ")) -> bytes:
    """Lines with comments and blanks between them, in one of the usual line ends."""
    woven = []
    for line in lines:
        woven += [line + rng.choice(("", "", "", " ", "\t")), *([rng.choice(extras)] if rng.random() < 0.2 else [])]
    return rng.choice((b"", b"", b"\xef\xbb\xbf")) + rng.choice(("\n", "\n", "\r\n")).join([*woven, ""]).encode()


def write_obj(vertices: np.ndarray, faces: np.ndarray, color: np.ndarray, rng: random.Random) -> Written:
    """OBJ: with vertex colours, a material, or neither; indices from the front or the end."""
    way = rng.choice(("vertex", "material", "none"))
    end = " " + " ".join(f"{value / 255:.6f}" for value in color) if way == "vertex" else ""
    lines = [*["mtllib some mat.mtl"] * (way == "material"), "o one", *(f"v {_row(row, rng)}{end}" for row in vertices)]
    lines += ["vt 0 0", "vn 0 0 1", *["usemtl the one"] * (way == "material"), rng.choice(("s off", "g a b", "l 1 2"))]
    form = rng.choice(("{0}", "{0}/1", "{0}//1", "{0}/1/1", "{0}/-1/-1"))
    back = len(vertices) + 1 if rng.random() < 0.3 else 0
    wrap = rng.choice((" ", " ", " \\\n"))
    lines += ["f " + wrap.join(form.format(index + 1 - back) for index in face) for face in faces.tolist()]
    material = ["newmtl other", "Kd 0 0 0", "newmtl the one", "Ka 1 1 1", f"Kd {_row(color / 255, rng)}", "illum 2"]
    return {"a.obj": _text(lines, rng), **({"some mat.mtl": _text(material, rng)} if way == "material" else {})}, way != "none"  # fmt: skip  # noqa: E501


def write_ply(vertices: np.ndarray, faces: np.ndarray, color: np.ndarray, rng: random.Random) -> Written:
    """PLY: text or binary in both byte orders, columns in any order and of any type, with columns that mean nothing."""
    names = rng.choice(("red green blue", "r g b", "diffuse_red diffuse_green diffuse_blue", "")).split()
    real, byte = rng.choice(("float", "double", "float32", "float64")), rng.choice(("uchar", "uint8"))
    columns = [(axis, real, vertices[:, i]) for i, axis in enumerate("xyz")]
    columns += [(name, byte, np.full(len(vertices), color[i])) for i, name in enumerate(names)]
    columns += [("quality", "float", np.arange(len(vertices)))] * (rng.random() < 0.5)
    rng.shuffle(columns)
    count, index = rng.choice(("uchar", "int", "uint")), rng.choice(("int", "uint", "short"))
    form, order = rng.choice((("ascii", "<"), ("binary_little_endian", "<"), ("binary_big_endian", ">")))
    header = ["ply", f"format {form} 1.0", "comment x", f"element vertex {len(vertices)}"]
    header += [f"property {kind} {name}" for name, kind, _ in columns] + [f"element face {len(faces)}"]
    header += [f"property list {count} {index} {rng.choice(('vertex_indices', 'vertex_index'))}", "end_header"]
    if form == "ascii":
        lines = [
            " ".join(f"{value:g}" for value in row) for row in zip(*(values for *_, values in columns), strict=True)
        ]
        lines += [" ".join(map(str, [3, *face])) for face in faces.tolist()]
        return {"a.ply": rng.choice(("\n", "\r\n")).join([*header, *lines, ""]).encode()}, bool(names)
    table = np.zeros(len(vertices), [(name, order + TYPES[kind]) for name, kind, _ in columns])
    for name, _, values in columns:
        table[name] = values
    rows = np.zeros(len(faces), [("count", order + TYPES[count]), ("face", order + TYPES[index], 3)])
    rows["count"], rows["face"] = 3, faces
    return {"a.ply": "\n".join([*header, ""]).encode() + table.tobytes() + rows.tobytes()}, bool(names)


def write_off(vertices: np.ndarray, faces: np.ndarray, color: np.ndarray, rng: random.Random) -> Written:
    """OFF: with colours of vertices or faces, as numbers to 255 or to 1, or without."""
    way = rng.choice(("vertex", "face", "none"))
    whole = rng.random() < 0.5
    shade = " ".join(map(str, color)) if whole else " ".join(f"{value / 255:.6f}" for value in color)
    end = {"vertex": f" {shade} {255 if whole else '1.0'}"}.get(way, "")
    lines = ["COFF" if way == "vertex" else "OFF", f"{len(vertices)} {len(faces)} {rng.choice((0, 12))}"]
    lines += [_row(row, rng) + end for row in vertices]
    return {"a.off": _text(lines + [f"3 {a} {b} {c}" + f" {shade}" * (way == "face") for a, b, c in faces], rng)}, way != "none"  # fmt: skip  # noqa: E501


def write_stl(vertices: np.ndarray, faces: np.ndarray, color: np.ndarray, rng: random.Random) -> Written:
    """STL: text or binary, whose header may begin like text."""
    if rng.random() < 0.5:
        rows = np.zeros(len(faces), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
        rows["corners"] = vertices[faces]
        head = rng.choice((b"", b"solid of some program", b"\xff\xfe")).ljust(80, b" ")
        return {"a.stl": head + struct.pack("<I", len(faces)) + rows.tobytes()}, False
    lines = [rng.choice(("solid", "solid a name"))]
    for face in faces:
        corners = [f"vertex {_row(vertices[index], rng)}" for index in face]
        lines += ["facet normal 0 0 1", "  outer loop", *corners, "  endloop", "endfacet"]
    return {"a.stl": rng.choice(("\n", "\r\n")).join([*lines, "endsolid", ""]).encode()}, False


class _Buffer:
    """The buffer of a glTF file, its views and accessors."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.data = rng, bytearray(rng.randbytes(4))
        self.views, self.accessors = list[dict[str, Any]](), list[dict[str, Any]]()

    def add(self, values: np.ndarray, kind: str, **more: Any) -> int:
        """Append values, with gaps between rows if there are rows; returns the number of the accessor."""
        self.data.extend(b"\0" * (-len(self.data) % 4))
        start, rows = len(self.data), values.ndim > 1
        stride = (values[0].nbytes + 3) // 4 * 4 + self.rng.choice((0, 4)) if rows else 0
        self.data.extend(b"".join(row.tobytes().ljust(stride, b"\0") for row in values) if rows else values.tobytes())
        view = {"buffer": 0, "byteOffset": start, "byteLength": len(self.data) - start}
        self.views.append(view | ({"byteStride": stride} if rows else {}))
        accessor = {"bufferView": len(self.views) - 1, "componentType": COMPONENTS[values.dtype.str], "type": kind}
        self.accessors.append(accessor | {"count": len(values)} | more)
        return len(self.accessors) - 1


def write_gltf(
    vertices: np.ndarray, faces: np.ndarray, color: np.ndarray, rng: random.Random, one: bool = False
) -> Written:
    """glTF: strided or not, indices of any width or none, below moved nodes; data beside, within, or in base64."""
    light = np.where(color / 255 <= 0.04045, color / 255 / 12.92, ((color / 255 + 0.055) / 1.055) ** 2.4)
    way, buffer = rng.choice(("factor", "vertex", "ubyte", "none")), _Buffer(rng)
    move, scale = np.array([rng.randint(-3, 3) for _ in range(3)]), rng.choice((0.5, 2.0))
    places, primitive = ((vertices - move) / scale).astype("<f4"), dict[str, Any]()
    if rng.random() < 0.8:
        primitive["indices"] = buffer.add(faces.reshape(-1).astype(rng.choice(("u1", "<u2", "<u4"))), "SCALAR")
    else:
        places = places[faces.reshape(-1)]
    position = buffer.add(places, "VEC3", min=places.min(0).tolist(), max=places.max(0).tolist())
    primitive["attributes"] = {"POSITION": position}
    if way == "vertex":
        shades = np.tile(light.astype("<f4"), (len(places), 1))
        primitive["attributes"]["COLOR_0"] = buffer.add(shades, "VEC3")
    if way == "ubyte":  # a fraction of white, which is exact
        primitive["attributes"]["COLOR_0"] = buffer.add(np.full((len(places), 4), 255, "u1"), "VEC4", normalized=True)
    document: dict[str, Any] = {
        "asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "scene": 0,
        "nodes": [{"translation": move.tolist(), "children": [1]}, {"mesh": 0, "scale": [scale] * 3}],
        "meshes": [{"primitives": [primitive]}], "bufferViews": buffer.views, "accessors": buffer.accessors,
    }  # fmt: skip
    if way in ("factor", "ubyte"):
        primitive["material"] = 0
        document["materials"] = [{"pbrMetallicRoughness": {"baseColorFactor": [*light.tolist(), 1]}}]
    data, files = bytes(buffer.data) + b"\0" * (-len(buffer.data) % 4), {}
    document["buffers"] = [{"byteLength": len(data)}]
    if one:
        text = json.dumps(document).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
        return {"a.glb": b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks}, way != "none"
    document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    if rng.random() < 0.5:
        document["buffers"][0]["uri"] = rng.choice(("b%20c.bin", "b c.bin", "./b%20c.bin"))
        files["b c.bin"] = data
    return {"a.gltf": json.dumps(document).encode(), **files}, way != "none"


WRITERS: dict[str, Any] = {
    "obj": write_obj, "ply": write_ply, "off": write_off, "stl": write_stl, "gltf": write_gltf,
    "glb": lambda *mesh: write_gltf(*mesh, one=True),
}  # fmt: skip


def make_points(rng: random.Random) -> Case:
    """A cloud of Gaussians, as .ply of 3DGS or .splat, or of points, as .xyz."""
    count = rng.randint(3, 9)
    places = np.array([[rng.randint(-64, 64) / 64 for _ in range(3)] for _ in range(count)])
    expected = {"points": count, "bounds": [places.min(0).tolist(), places.max(0).tolist()]}
    way = rng.choice(("3dgs", "splat", "xyz"))
    if way == "xyz":
        return Case("xyz", {"a.xyz": _text([_row(place, rng) for place in places], rng)}, "a.xyz", expected=expected)
    if way == "splat":
        rows = np.zeros(count, [("place", "<f4", 3), ("scale", "<f4", 3), ("color", "u1", 4), ("turn", "u1", 4)])
        rows["place"], rows["scale"], rows["color"], rows["turn"] = places, 0.1, 200, (255, 128, 128, 128)
        return Case("splat", {"a.splat": rows.tobytes()}, "a.splat", expected=expected)
    names = [f"f_rest_{i}" for i in range(rng.choice((0, 9, 24, 45)))]
    names += [
        "f_dc_0",
        "f_dc_1",
        "f_dc_2",
        "opacity",
        "scale_0",
        "scale_1",
        "scale_2",
        "rot_0",
        "rot_1",
        "rot_2",
        "rot_3",
    ]
    values = np.array([[rng.uniform(-1, 1) for _ in names] for _ in range(count)]).reshape(count, -1)
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    header += [f"property float {name}" for name in ("x", "y", "z", *names)] + ["end_header", ""]
    data = "\n".join(header).encode() + np.hstack([places, values]).astype("<f4").tobytes()
    return Case("splat", {"a.ply": data}, "a.ply", expected=expected)
