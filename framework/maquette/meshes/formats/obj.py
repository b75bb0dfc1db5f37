"""Reading of Wavefront OBJ: polygons with their materials, colours of vertices, points.

trimesh's reader wraps an index 0 to the last vertex, takes options of `map_Kd` for a part of its file name, refuses a
file whose .mtl is missing and drops colours beside uv; so this is our own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from PIL import Image

from maquette.meshes.formats.content import Content, Part, Points, Wrap, unit_colors
from maquette.meshes.formats.mtl import Material, read_materials
from maquette.meshes.formats.polygons import triangulate
from maquette.meshes.formats.source import Source
from maquette.meshes.formats.textures import decode_texture

LEFT_OUT = {
    "l": "lines", "curv": "curves", "curv2": "curves", "surf": "free-form surfaces", "call": "files that it calls",
    "csh": "commands", "vp": "free-form surfaces",
}  # fmt: skip


@dataclass
class _Faces:
    """Faces of one material: their corners as text, and for each its line and the vertices and uv before it."""

    corners: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    vertices: list[int] = field(default_factory=list)
    uv: list[int] = field(default_factory=list)


@dataclass
class _Lines:
    """The statements of a file, as text (which the garbage collector need not visit)."""

    vertices: list[str] = field(default_factory=list)
    uv: list[str] = field(default_factory=list)
    vertex_lines: list[int] = field(default_factory=list)
    uv_lines: list[int] = field(default_factory=list)
    faces: dict[str, _Faces] = field(default_factory=lambda: defaultdict(_Faces))
    libraries: list[str] = field(default_factory=list)
    has_normals: bool = False


def read_obj(source: Source) -> Content:
    """Read an .obj file with its .mtl files and textures."""
    lines = _scan(source)
    positions, colors = _vertices(lines, source)
    content = Content("obj")
    if lines.has_normals:
        source.leaves("normals")
    if not lines.faces:
        content.points = [Points(positions, colors)] if len(positions) else []
        return content
    uv = _numbers(lines.uv, lines.uv_lines, 1, source)
    uv = np.pad(uv[:, :2], ((0, 0), (0, 2 - min(uv.shape[1], 2)))) if len(uv) else np.zeros((0, 2))
    materials = _materials(lines, source)
    pictures: dict[str, Image.Image] = {}
    for name, material in materials.items():
        if material.texture and material.texture not in pictures and name in lines.faces:
            data = source.companion(material.texture)
            pictures[material.texture] = decode_texture(data, material.texture, source)
    for name, faces in lines.faces.items():
        part = _part(faces, positions, colors, uv, materials.get(name), pictures, source)
        if part is not None:
            content.parts.append(part)
        if name and name not in materials and materials:
            source.warns(f"its materials have no {name!r}; faces of it have no colour")
    content.uv_sets = int(len(uv) > 0)
    return content


def _scan(source: Source) -> _Lines:
    lines = _Lines()
    material = ""
    text = source.read_text()
    if "\0" in text:
        raise source.broken("it is no text")
    for number, line in _statements(text):
        key, _, rest = line.partition(" ")
        if key == "v":
            lines.vertices.append(rest)
            lines.vertex_lines.append(number)
        elif key == "vt":
            lines.uv.append(rest)
            lines.uv_lines.append(number)
        elif key == "vn":
            lines.has_normals = True
        elif key in ("f", "fo"):
            faces = lines.faces[material]
            faces.corners.append(rest)
            faces.lines.append(number)
            faces.vertices.append(len(lines.vertices))
            faces.uv.append(len(lines.uv))
        elif key == "usemtl":
            material = rest.strip()
        elif key == "mtllib":
            lines.libraries.append(rest.strip())
        elif key in LEFT_OUT:
            source.leaves(LEFT_OUT[key])
    return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Statements with the number of their first line: stripped, without comments, continued lines put together."""
    before: list[str] = []
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.endswith("\\"):
            before.append(line[:-1])
            first = first or number
            continue
        line = " ".join([*before, line]).strip() if before else line.strip()
        if "#" in line and not line.startswith(("usemtl", "mtllib")):
            line = line.split("#", 1)[0].rstrip()
        if line:
            yield first or number, line.replace("\t", " ", 1)
        before, first = [], 0


def _numbers(rows: list[str], places: list[int], least: int, source: Source) -> np.ndarray:
    """Rows of numbers, padded by NaN to equal lengths [n, width]."""
    words = [row.split() for row in rows]
    width = max(map(len, words), default=0)
    try:
        if words and min(map(len, words)) == width >= least:
            return np.array(list(map(float, chain.from_iterable(words)))).reshape(len(words), width)
        table = np.full((len(words), max(width, least)), np.nan)
        for i, row in enumerate(words):
            if len(row) < least:
                raise ValueError("too short")
            table[i, : len(row)] = [float(word) for word in row]
        return table
    except ValueError:
        for place, row in zip(places, words, strict=True):
            if len(row) < least or not _are_numbers(row):
                raise source.broken(f"{' '.join(row)!r} are not {least} numbers", line=place) from None
        raise


def _are_numbers(row: list[str]) -> bool:
    try:
        np.array(row, np.float64)
    except ValueError:
        return False
    return True


def _vertices(lines: _Lines, source: Source) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions [V, 3], and sRGB colours [V, 3] or None; a vertex line has 3, 4 (w), 6 (rgb) or 7 (rgba) numbers."""
    table = _numbers(lines.vertices, lines.vertex_lines, 3, source)
    if not len(table):
        return np.zeros((0, 3)), None
    positions = table[:, :3]
    lengths = (~np.isnan(table)).sum(1)
    if table.shape[1] == 4 and (lengths == 4).any():
        w = np.where(lengths == 4, table[:, 3], 1.0)
        if (w == 0).any():
            raise source.broken("a vertex has the weight 0")
        positions = positions / w[:, None]
    if table.shape[1] < 6:
        return positions, None
    source.uses("vertex colors")
    colored = lengths >= 6
    if not colored.all():
        source.warns(f"{int((~colored).sum())} of its {len(table)} vertices have no colour and become white")
    colors = np.ones((len(table), 3))
    colors[colored] = unit_colors(table[colored, 3:6], source)
    return positions, colors


def _materials(lines: _Lines, source: Source) -> dict[str, Material]:
    materials: dict[str, Material] = {}
    for names in lines.libraries:
        whole = source.find(names)
        for name in [names] if whole is not None or len(names.split()) == 1 else names.split():
            if source.find(name) is None:
                source.warns(f"{name} is not beside it; the mesh is read without its materials")
            else:
                materials.update(read_materials(source.companion(name), name, source))
    return materials


def _part(
    faces: _Faces, positions: np.ndarray, colors: np.ndarray | None, uv: np.ndarray,
    material: Material | None, pictures: dict[str, Image.Image], source: Source,
) -> Part | None:  # fmt: skip
    """The faces of one material."""
    corners, lengths = _corners(faces, len(positions), len(uv), source)
    triangles, _ = triangulate(corners[:, 0], lengths, positions)
    if not len(triangles):
        return None
    rows = corners[triangles].reshape(-1, 2)
    if material is None or not material.texture:
        if (rows[:, 1] >= 0).any():
            source.leaves("uv without a texture")
        used, index = np.unique(rows[:, 0], return_inverse=True)
        shades = None if colors is None else colors[used]
        if shades is None and material is not None and material.color is not None:
            source.uses("material color")
            shades = np.tile(material.color, (len(used), 1))
        elif material is not None and material.color is not None and np.ptp(material.color) > 0:
            source.leaves("colours of materials, as the vertices have colours")
        return Part(positions[used], index.reshape(-1, 3), shades)
    picture = pictures[material.texture]
    source.uses("texture")
    source.uses("uv")
    if colors is not None:
        source.leaves("vertex colors, as there is a texture")
    if material.color is not None and np.ptp(material.color) > 0:
        source.leaves("colours of materials with a texture")
    keys, index = np.unique(rows[:, 0] * (len(uv) + 1) + rows[:, 1] + 1, return_inverse=True)
    pairs = np.stack([keys // (len(uv) + 1), keys % (len(uv) + 1) - 1], axis=1)
    if (pairs[:, 1] < 0).any():
        source.warns("some faces with a texture have no uv; its first texel is taken")
    places = np.where(pairs[:, 1:] >= 0, uv[pairs[:, 1]] if len(uv) else 0.0, 0.0)
    places = places * material.scale + material.offset
    if not np.isfinite(places).all():
        raise source.broken("some of its uv are not finite")
    wrap: Wrap = "clamp" if material.clamp else "repeat"
    return Part(positions[pairs[:, 0]], index.reshape(-1, 3), None, picture, places, None, (wrap, wrap))


def _corners(faces: _Faces, vertices: int, uvs: int, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Vertex and uv (-1: none) of all corners [n, 2], from 0, and the number of each face's corners [F]."""
    lengths = np.array([len(words.split()) for words in faces.corners], np.int64)
    if (lengths < 3).any():
        source.warns("faces of fewer than three corners are left out")
    corners = _uniform_corners(faces, lengths, vertices, uvs)
    if corners is None:
        corners = np.array(list(_each_corner(faces, vertices, uvs, source)), np.int64).reshape(-1, 2)
    return corners, lengths


def _uniform_corners(faces: _Faces, lengths: np.ndarray, vertices: int, uvs: int) -> np.ndarray | None:
    """The corners [n, 2], if all are right and of one form: v, v/vt, v//vn or v/vt/vn; else None."""
    text, count = " ".join(faces.corners), int(lengths.sum())
    slashes, double = text.count("/"), text.count("//")
    forms = {(0, 0): (1, False), (count, 0): (2, True), (2 * count, count): (2, False), (2 * count, 0): (3, True)}
    if (slashes, double) not in forms:
        return None
    width, has_uv = forms[slashes, double]
    try:
        numbers = np.array(list(map(int, text.replace("/", " ").split())), np.int64)
    except (ValueError, OverflowError):
        return None
    if len(numbers) != width * count or (has_uv and not uvs):
        return None
    columns = numbers.reshape(count, width)
    corners = np.full((count, 2), -1, np.int64)
    for column, total, counts in ((0, vertices, faces.vertices), (1, uvs, faces.uv)):
        if column == 1 and not has_uv:
            continue
        before = np.repeat(np.array(counts, np.int64), lengths)
        index = np.where(columns[:, column] > 0, columns[:, column] - 1, before + columns[:, column])
        if (columns[:, column] == 0).any() or (index < 0).any() or (index >= total).any():
            return None
        corners[:, column] = index
    return corners


def _each_corner(faces: _Faces, vertices: int, uvs: int, source: Source) -> Iterator[tuple[int, int]]:
    for words, line, vertices_before, uv_before in zip(
        faces.corners, faces.lines, faces.vertices, faces.uv, strict=True
    ):
        for word in words.split():
            fields = word.split("/")
            vertex = _index(fields[0], vertices_before, vertices, "vertices", line, source)
            texture = fields[1] if len(fields) > 1 else ""
            if texture and not uvs:
                source.warns("its faces name uv, and it has none")
                texture = ""
            yield vertex, _index(texture, uv_before, uvs, "uv", line, source) if texture else -1


def _index(word: str, before: int, count: int, kind: str, line: int, source: Source) -> int:
    """The index from 0 that a number of a face means: from 1, or back from the last one if negative."""
    try:
        number = int(word)
    except ValueError:
        raise source.broken(f"{word!r} is no index", line=line) from None
    if number == 0:
        raise source.broken(f"a face has the index 0 of {kind}; indices begin at 1", line=line)
    index = number - 1 if number > 0 else before + number
    if not 0 <= index < count:
        raise source.broken(f"index {number} is outside {count} {kind}", line=line)
    return index
