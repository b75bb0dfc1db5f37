"""Meshes and points in the layouts that programs write, each with what a right reading holds."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from gltf_files import GltfFile
from PIL import Image

from fuzz.case import Case
from fuzz.scenes import encode

Written = tuple[dict[str, bytes], bool]  # the files, and whether the format tells the colour
TYPES = {"float": "f4", "float32": "f4", "double": "f8", "float64": "f8", "uchar": "u1", "uint8": "u1", "int": "i4", "uint": "u4", "short": "i2"}  # fmt: skip  # noqa: E501
SPLAT = {"f_dc": 3, "scale": 3, "rot": 4}  # columns of 3DGS -> how many there are
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
    expected = {"triangles": triangles, "mean_color": (color / 255).tolist() if colored else None}
    if len(files) > 1 and form != "glb" and rng.random() < 0.3:  # a companion that a link leads out to
        name = rng.choice(sorted(set(files) - {f"a.{form}"}))
        tree = {f"mesh/{key}": data for key, data in files.items() if key != name} | {f"other/{name}": files[name]}
        allow = ("other",) if rng.random() < 0.5 else ()
        expected = expected if allow else {"refused": "--allow"}
        links = {f"mesh/{name}": f"../other/{name}"}
        return Case("allow", tree, f"mesh/a.{form}", links, expected=expected, allow=allow)
    return Case(form, files, f"a.{form}", expected=expected)


def _row(values: Any, rng: random.Random) -> str:
    forms = ("{:.7f}", "{:g}", "{:.8e}", "{!r}", "{:+.6f}")
    return rng.choice((" ", "  ", "\t")).join(rng.choice(forms).format(float(value)) for value in values)


def _text(lines: list[str], rng: random.Random, extras: tuple[str, ...] = ("", "# note", "   ")) -> bytes:
    """Lines with comments and blanks between them, in one of the usual line ends."""
    woven = []
    for line in lines:
        woven += [line + rng.choice(("", "", "", " ", "\t")), *([rng.choice(extras)] if rng.random() < 0.2 else [])]
    return rng.choice((b"", b"", b"\xef\xbb\xbf")) + rng.choice(("\n", "\n", "\r\n")).join([*woven, ""]).encode()


def painted(color: np.ndarray, form: str) -> bytes:
    """A picture of one colour."""
    return encode(Image.new("RGB", (3, 2), tuple(color.tolist())), form)


def write_obj(vertices: np.ndarray, faces: np.ndarray, color: np.ndarray, rng: random.Random) -> Written:
    """OBJ: with vertex colours, a material with or without a picture, or neither; indices from the front or the end."""
    way, files = rng.choice(("vertex", "material", "texture", "none")), dict[str, bytes]()
    end = " " + " ".join(f"{value / 255:.6f}" for value in color) if way == "vertex" else ""
    named = way in ("material", "texture")
    lines = [*["mtllib some mat.mtl"] * named, "o one", *(f"v {_row(row, rng)}{end}" for row in vertices)]
    lines += ["vt 0 0", "vt 1 0", "vt 0 1", "vn 0 0 1", *["usemtl the one"] * named, rng.choice(("s off", "g a b", "l 1 2"))]  # fmt: skip  # noqa: E501
    form = rng.choice(("{0}/{1}", "{0}/{1}/1", "{0}/{2}/-1") if way == "texture" else ("{0}", "{0}//1", "{0}/1"))
    back, wrap = len(vertices) + 1 if rng.random() < 0.3 else 0, rng.choice((" ", " ", " \\\n"))
    for face in faces.tolist():
        lines.append("f " + wrap.join(form.format(index + 1 - back, i + 1, i - 3) for i, index in enumerate(face)))
    paint = f"Kd {_row(color / 255, rng)}"
    if way == "texture":
        picture = rng.choice(("PNG", "BMP", "TIFF", "TGA", "WEBP", "GIF"))
        paint, files[f"a b.{picture}"] = f"map_Kd {rng.choice(('', '-s 1 1 1 '))}a b.{picture}", painted(color, picture)
    material = ["newmtl other", "Kd 0 0 0", "newmtl the one", "Ka 1 1 1", paint, "illum 2"]
    files |= {"a.obj": _text(lines, rng), **({"some mat.mtl": _text(material, rng)} if named else {})}
    return files, way != "none"


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


def write_gltf(vertices: np.ndarray, faces: np.ndarray, color: np.ndarray, rng: random.Random, suffix: str = "gltf") -> Written:  # fmt: skip  # noqa: E501
    """glTF: strided or not, indices of any width or none, below moved nodes; data beside, within, or in base64."""
    light = np.where(color / 255 <= 0.04045, color / 255 / 12.92, ((color / 255 + 0.055) / 1.055) ** 2.4)
    way, files = rng.choice(("factor", "vertex", "ubyte", "texture", "none")), dict[str, bytes]()
    move, scale = np.array([rng.randint(-3, 3) for _ in range(3)]), rng.choice((0.5, 2.0))
    indices = faces.astype(rng.choice(("u1", "<u2", "<u4"))) if rng.random() < 0.8 else None
    places = ((vertices - move) / scale).astype("<f4")[faces.reshape(-1) if indices is None else slice(None)]
    flat = places[:, :2] - places[:, :2].min(0)
    more = {
        "vertex": {"COLOR_0": np.tile(light.astype("<f4"), (len(places), 1))},
        "ubyte": {"COLOR_0": np.full((len(places), 4), 255, "u1")}, "texture": {"TEXCOORD_0": flat / flat.max(0)},
    }.get(way, {})  # fmt: skip
    file = GltfFile(indices, gap=rng.choice((0, 4)), POSITION=places, **more)
    file.tree["nodes"] = [{"translation": move.tolist(), "children": [1]}, {"mesh": 0, "scale": [scale] * 3}]
    if way in ("factor", "ubyte"):
        file.material(pbrMetallicRoughness={"baseColorFactor": [*light.tolist(), 1]})
    if way == "texture":
        file.texture({"uri": "a%20b.png"})
        files["a b.png"] = painted(color, "PNG")
    if suffix == "gltf" and rng.random() < 0.5:
        uri = rng.choice(("b%20c.bin", "b c.bin", "./b%20c.bin"))
        file.tree["buffers"], files["b c.bin"] = [{"byteLength": len(file.data), "uri": uri}], file.data
    with TemporaryDirectory() as folder:
        files[f"a.{suffix}"] = file.write(Path(folder) / f"a.{suffix}").read_bytes()
    return files, way != "none"


WRITERS: dict[str, Any] = {
    "obj": write_obj, "ply": write_ply, "off": write_off, "stl": write_stl, "gltf": write_gltf,
    "glb": lambda *mesh: write_gltf(*mesh, "glb"),
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
    names += ["opacity", *(f"{name}_{i}" for name, count in SPLAT.items() for i in range(count))]
    values = np.array([[rng.uniform(-1, 1) for _ in names] for _ in range(count)]).reshape(count, -1)
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    header += [f"property float {name}" for name in ("x", "y", "z", *names)] + ["end_header", ""]
    data = "\n".join(header).encode() + np.hstack([places, values]).astype("<f4").tobytes()
    return Case("splat", {"a.ply": data}, "a.ply", expected=expected)
