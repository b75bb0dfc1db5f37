"""Meshes and points in the layouts that programs write, each with what a right reading holds."""

from __future__ import annotations

import base64
import json
import random
import struct
from typing import Any

import numpy as np

from fuzz.case import Case

COMPONENTS = {"u1": 5121, "<u2": 5123, "<u4": 5125, "<f4": 5126}
TURN = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float)  # glTF's z, x, y are the world's x, y, z


def make_shape(rng: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """A bent sheet of triangles: vertices [V, 3] that single precision holds exactly, and faces [F, 3]."""
    rows, columns = rng.randint(2, 4), rng.randint(2, 4)
    vertices = [[x, y, rng.randint(-32, 32) / 64] for x in range(rows) for y in range(columns)]
    faces = []
    for x in range(rows - 1):
        for y in range(columns - 1):
            a, b = x * columns + y, (x + 1) * columns + y
            faces += [[a, b, a + 1], [a + 1, b, b + 1]]
    scale, place = rng.choice((0.25, 1, 16)), [rng.randint(-9, 9) for _ in range(3)]
    return np.array(vertices) * scale + place, np.array(faces)


def make_mesh(rng: random.Random) -> Case:
    """A mesh in a random layout of a random format, with its triangles and colour."""
    vertices, faces = make_shape(rng)
    color = [rng.randint(0, 255) for _ in range(3)]
    form = rng.choice(list(WRITERS))
    files, target, colored = WRITERS[form](vertices, faces, color, rng)
    if form in ("gltf", "glb"):
        vertices = vertices @ TURN.T
    expected: dict[str, Any] = {"triangles": vertices[faces]}
    if form != "stl":
        expected["mean_color"] = [value / 255 for value in color] if colored else None
    return Case(form, files, target, expected=expected)


def _number(value: float, rng: random.Random) -> str:
    return rng.choice((f"{value:.7f}", f"{value:g}", f"{value:.8e}", repr(float(value)), f"{value:+.6f}"))


def _row(values: Any, rng: random.Random) -> str:
    return rng.choice((" ", "  ", "\t")).join(_number(float(value), rng) for value in values)


def _text(lines: list[str], rng: random.Random, comment: str = "#") -> bytes:
    """Lines with comments and blanks between them, in one of the usual line ends."""
    woven = []
    for line in lines:
        woven += [line + rng.choice(("", "", "", " ", "\t"))] + rng.choice(([], [], [], [f"{comment} note"], [""]))
    return rng.choice(("\n", "\n", "\r\n")).join([*woven, ""]).encode()


def write_obj(
    vertices: np.ndarray, faces: np.ndarray, color: list[int], rng: random.Random
) -> tuple[dict[str, bytes], str, bool]:
    """OBJ: with vertex colours, a material, or neither; indices from the front or the end."""
    way = rng.choice(("vertex", "material", "none"))
    end = " " + " ".join(f"{value / 255:.6f}" for value in color) if way == "vertex" else ""
    lines = [*["mtllib some mat.mtl"] * (way == "material"), "o one"]
    lines += [f"v {_row(vertex, rng)}{end}" for vertex in vertices]
    lines += ["vt 0 0", "vn 0 0 1", *["usemtl the one"] * (way == "material"), "s off"]
    form = rng.choice(("{0}", "{0}/1", "{0}//1", "{0}/1/1", "{0}/-1/-1"))
    back = len(vertices) + 1 if rng.random() < 0.3 else 0
    lines += ["f " + " ".join(form.format(index + 1 - back) for index in face) for face in faces.tolist()]
    material = f"# x\nnewmtl other\nKd 0 0 0\nnewmtl the one\nKa 1 1 1\nKd {_row(np.array(color) / 255, rng)}\n"
    files = {"a.obj": _text(lines, rng), **({"some mat.mtl": material.encode()} if way == "material" else {})}
    return files, "a.obj", way != "none"


def write_ply(
    vertices: np.ndarray, faces: np.ndarray, color: list[int], rng: random.Random
) -> tuple[dict[str, bytes], str, bool]:
    """PLY: text or binary in both byte orders, columns in any order and of any type, with columns that mean nothing."""
    names = rng.choice(
        (["red", "green", "blue"], ["r", "g", "b"], ["diffuse_red", "diffuse_green", "diffuse_blue"], [])
    )
    real = rng.choice(("float", "double", "float32", "float64"))
    kinds = {
        "float": "f4",
        "float32": "f4",
        "double": "f8",
        "float64": "f8",
        "uchar": "u1",
        "uint8": "u1",
        "int": "i4",
        "uint": "u4",
        "short": "i2",
    }
    columns = [(axis, real, vertices[:, i]) for i, axis in enumerate("xyz")]
    byte = rng.choice(("uchar", "uint8"))
    columns += [(name, byte, np.full(len(vertices), color[i])) for i, name in enumerate(names)]
    columns += [("quality", "float", np.arange(len(vertices)))] * (rng.random() < 0.5)
    rng.shuffle(columns)
    count, index = rng.choice(("uchar", "int", "uint")), rng.choice(("int", "uint", "short"))
    form, order = rng.choice((("ascii", "<"), ("binary_little_endian", "<"), ("binary_big_endian", ">")))
    header = ["ply", f"format {form} 1.0", "comment made", f"element vertex {len(vertices)}"]
    header += [f"property {kind} {name}" for name, kind, _ in columns]
    header += [
        f"element face {len(faces)}",
        f"property list {count} {index} {rng.choice(('vertex_indices', 'vertex_index'))}",
        "end_header",
    ]
    if form == "ascii":
        rows = zip(*(values.tolist() for _, _, values in columns), strict=True)
        lines = [" ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in row) for row in rows]
        lines += [" ".join(map(str, [3, *face])) for face in faces.tolist()]
        return {"a.ply": rng.choice(("\n", "\r\n")).join([*header, *lines, ""]).encode()}, "a.ply", bool(names)
    table = np.zeros(len(vertices), [(name, order + kinds[kind]) for name, kind, _ in columns])
    for name, _, values in columns:
        table[name] = values
    rows = np.zeros(len(faces), [("count", order + kinds[count]), ("face", order + kinds[index], 3)])
    rows["count"], rows["face"] = 3, faces
    return {"a.ply": "\n".join([*header, ""]).encode() + table.tobytes() + rows.tobytes()}, "a.ply", bool(names)


def write_off(
    vertices: np.ndarray, faces: np.ndarray, color: list[int], rng: random.Random
) -> tuple[dict[str, bytes], str, bool]:
    """OFF: with colours of vertices or faces, as numbers to 255 or to 1, or without."""
    way = rng.choice(("vertex", "face", "none"))
    shade = " ".join(map(str, color)) if rng.random() < 0.5 else " ".join(f"{value / 255:.6f}" for value in color)
    lines = ["COFF" if way == "vertex" else "OFF", f"{len(vertices)} {len(faces)} {rng.choice((0, 12))}"]
    lines += [
        _row(vertex, rng) + (f" {shade} {255 if '.' not in shade else '1.0'}" if way == "vertex" else "")
        for vertex in vertices
    ]
    lines += [f"3 {a} {b} {c}" + (f" {shade}" if way == "face" else "") for a, b, c in faces.tolist()]
    return {"a.off": _text(lines, rng)}, "a.off", way != "none"


def write_stl(
    vertices: np.ndarray, faces: np.ndarray, color: list[int], rng: random.Random
) -> tuple[dict[str, bytes], str, bool]:
    """STL: text or binary, whose header may begin like text."""
    if rng.random() < 0.5:
        rows = np.zeros(len(faces), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
        rows["corners"] = vertices[faces]
        head = rng.choice((b"", b"solid of some program", b"\xff\xfe")).ljust(80, b" ")
        return {"a.stl": head + struct.pack("<I", len(faces)) + rows.tobytes()}, "a.stl", False
    lines = [rng.choice(("solid", "solid a name"))]
    for face in faces:
        corners = [f"vertex {_row(vertices[index], rng)}" for index in face]
        lines += ["facet normal 0 0 1", "  outer loop", *corners, "  endloop", "endfacet"]
    return {"a.stl": rng.choice(("\n", "\r\n")).join([*lines, "endsolid", ""]).encode()}, "a.stl", False


def write_gltf(
    vertices: np.ndarray, faces: np.ndarray, color: list[int], rng: random.Random, binary: bool = False
) -> tuple[dict[str, bytes], str, bool]:
    """glTF: interleaved or not, indices of any width or none, below moved nodes; data beside, within, or in base64."""
    srgb = np.array(color) / 255
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    way = rng.choice(("factor", "vertex", "none"))
    move, scale = np.array([rng.randint(-3, 3) for _ in range(3)]), rng.choice((0.5, 2.0))
    places = ((vertices - move) / scale).astype("<f4")
    indexed = rng.random() < 0.8
    if not indexed:
        places = places[faces.reshape(-1)]
    blob, views, accessors = bytearray(rng.randbytes(4)), [], []

    def add(values: np.ndarray, kind: str, **more: Any) -> int:
        width = values[0].nbytes if values.ndim > 1 else 0
        stride = (width + 3) // 4 * 4 + rng.choice((0, 4)) if width else 0
        blob.extend(b"\0" * (-len(blob) % 4))
        views.append({"buffer": 0, "byteOffset": len(blob), **({"byteStride": stride} if stride else {})})
        start = len(blob)
        if stride:
            blob.extend(b"".join(row.tobytes().ljust(stride, b"\0") for row in values))
        else:
            blob.extend(values.tobytes())
        views[-1]["byteLength"] = len(blob) - start
        component = COMPONENTS[values.dtype.str.replace("|", "")]
        accessors.append(
            {"bufferView": len(views) - 1, "componentType": component, "count": len(values), "type": kind, **more}
        )
        return len(accessors) - 1

    attributes = {"POSITION": add(places, "VEC3", min=places.min(0).tolist(), max=places.max(0).tolist())}
    if way == "vertex":
        attributes["COLOR_0"] = add(np.tile(light.astype("<f4"), (len(places), 1)), "VEC3")
    primitive: dict[str, Any] = {"attributes": attributes}
    if indexed:
        primitive["indices"] = add(faces.reshape(-1).astype(rng.choice(("u1", "<u2", "<u4"))), "SCALAR")
    document: dict[str, Any] = {
        "asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "scene": 0,
        "nodes": [{"translation": move.tolist(), "children": [1]}, {"mesh": 0, "scale": [scale] * 3}],
        "meshes": [{"primitives": [primitive]}], "bufferViews": views, "accessors": accessors,
    }  # fmt: skip
    if way == "factor":
        primitive["material"] = 0
        document["materials"] = [{"pbrMetallicRoughness": {"baseColorFactor": [*light.tolist(), 1]}}]
    buffer: dict[str, Any] = {"byteLength": len(blob)}
    document["buffers"] = [buffer]
    if binary:
        blob.extend(b"\0" * (-len(blob) % 4))
        text = json.dumps(document).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob
        return {"a.glb": b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks}, "a.glb", way != "none"
    files = {}
    if rng.random() < 0.5:
        buffer["uri"] = "data:application/octet-stream;base64," + base64.b64encode(blob).decode()
    else:
        buffer["uri"], files["b c.bin"] = rng.choice(("b%20c.bin", "b c.bin", "./b%20c.bin")), bytes(blob)
    return {"a.gltf": json.dumps(document).encode(), **files}, "a.gltf", way != "none"


def write_glb(
    vertices: np.ndarray, faces: np.ndarray, color: list[int], rng: random.Random
) -> tuple[dict[str, bytes], str, bool]:
    """The same in one file."""
    return write_gltf(vertices, faces, color, rng, binary=True)


WRITERS: dict[str, Any] = {
    "obj": write_obj, "ply": write_ply, "off": write_off, "stl": write_stl, "gltf": write_gltf, "glb": write_glb,
}  # fmt: skip


def make_splats(rng: random.Random) -> Case:
    """A cloud of Gaussians, as .ply of 3DGS or .splat, or of points, as .xyz or .ply."""
    count = rng.randint(3, 9)
    places = np.array([[rng.randint(-64, 64) / 64 for _ in range(3)] for _ in range(count)])
    expected = {"points": count, "bounds": [places.min(0).tolist(), places.max(0).tolist()]}
    way = rng.choice(("3dgs", "splat", "xyz"))
    if way == "xyz":
        return Case("xyz", {"a.xyz": _text([_row(place, rng) for place in places], rng)}, "a.xyz", expected=expected)
    if way == "splat":
        table = np.zeros(
            count, np.dtype([("place", "<f4", 3), ("scale", "<f4", 3), ("color", "u1", 4), ("turn", "u1", 4)])
        )
        table["place"], table["scale"], table["color"], table["turn"] = (
            places,
            0.1,
            (200, 50, 50, 255),
            (255, 128, 128, 128),
        )
        return Case("splat", {"a.splat": table.tobytes()}, "a.splat", expected=expected)
    names = [
        "x",
        "y",
        "z",
        "nx",
        "ny",
        "nz",
        *(f"f_dc_{i}" for i in range(3)),
        "opacity",
        *(f"scale_{i}" for i in range(3)),
        *(f"rot_{i}" for i in range(4)),
    ]
    if rng.random() < 0.5:
        names[9:9] = [f"f_rest_{i}" for i in range(rng.choice((9, 24, 45)))]
    values = np.array([[rng.uniform(-1, 1) for _ in names] for _ in range(count)], "<f4")
    values[:, :3] = places
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {count}",
        *(f"property float {name}" for name in names),
        "end_header",
        "",
    ]
    return Case("splat", {"a.ply": "\n".join(header).encode() + values.tobytes()}, "a.ply", expected=expected)
