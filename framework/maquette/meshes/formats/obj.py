"""Reading of Wavefront OBJ: polygons with their materials, colours of vertices, points.

trimesh's reader wraps an index 0 to the last vertex, takes options of `map_Kd` for a part of its file name, refuses a
file whose .mtl is missing and drops colours beside uv; so this is our own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from maquette.meshes.formats.content import Content, Part, Points, unit_colors
from maquette.meshes.formats.mtl import Material, read_materials
from maquette.meshes.formats.polygons import triangulate
from maquette.meshes.formats.source import Source
from maquette.meshes.formats.textures import decode_texture

LEFT_OUT = {
    "l": "lines", "curv": "curves", "curv2": "curves", "surf": "free-form surfaces", "call": "files that it calls",
    "csh": "commands", "vp": "free-form surfaces",
}  # fmt: skip


@dataclass
class _Lines:
    """The statements of a file: numbers as text, faces as corners with their line numbers."""

    vertices: list[list[str]] = field(default_factory=list)
    uv: list[list[str]] = field(default_factory=list)
    vertex_lines: list[int] = field(default_factory=list)
    uv_lines: list[int] = field(default_factory=list)
    faces: dict[str, list[tuple[int, list[str], int, int]]] = field(default_factory=lambda: defaultdict(list))
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
    text_lines = text.replace("\\\n", " ")
    exact = text_lines.count("\n") == text.count("\n")
    for number, line in enumerate(text_lines.split("\n"), 1):
        words = (
            line.split("#", 1)[0].split() if "#" in line and not line.startswith(("usemtl", "mtllib")) else line.split()
        )
        if not words:
            continue
        key = words[0]
        place = number if exact else 0
        if key == "v":
            lines.vertices.append(words[1:])
            lines.vertex_lines.append(place)
        elif key == "vt":
            lines.uv.append(words[1:])
            lines.uv_lines.append(place)
        elif key == "vn":
            lines.has_normals = True
        elif key in ("f", "fo"):
            lines.faces[material].append((place, words[1:], len(lines.vertices), len(lines.uv)))
        elif key == "usemtl":
            material = line.strip()[6:].strip()
        elif key == "mtllib":
            lines.libraries.append(line.strip()[6:].strip())
        elif key in LEFT_OUT:
            source.leaves(LEFT_OUT[key])
    return lines


def _numbers(rows: list[list[str]], places: list[int], least: int, source: Source) -> np.ndarray:
    """Rows of numbers, padded by NaN to equal lengths [n, width]."""
    width = max(map(len, rows), default=0)
    try:
        if rows and min(map(len, rows)) == width >= least:
            return np.array(rows, np.float64)
        table = np.full((len(rows), max(width, least)), np.nan)
        for i, row in enumerate(rows):
            if len(row) < least:
                raise ValueError("too short")
            table[i, : len(row)] = [float(word) for word in row]
        return table
    except ValueError:
        for place, row in zip(places, rows, strict=True):
            if len(row) < least or not _are_numbers(row):
                raise source.broken(f"{' '.join(row)!r} are not {least} numbers", line=place or None) from None
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
    colors[colored] = unit_colors(table[colored, 3:6])
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
    faces: list[tuple[int, list[str], int, int]], positions: np.ndarray, colors: np.ndarray | None, uv: np.ndarray,
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
    pairs, index = np.unique(rows, axis=0, return_inverse=True)
    if (pairs[:, 1] < 0).any():
        source.warns("some faces with a texture have no uv; its first texel is taken")
    places = np.where(pairs[:, 1:] >= 0, uv[pairs[:, 1]] if len(uv) else 0.0, 0.0)
    places = places * material.scale + material.offset
    if not np.isfinite(places).all():
        raise source.broken("some of its uv are not finite")
    wrap = "clamp" if material.clamp else "repeat"
    return Part(positions[pairs[:, 0]], index.reshape(-1, 3), None, picture, places, None, (wrap, wrap))


def _corners(
    faces: list[tuple[int, list[str], int, int]], vertices: int, uvs: int, source: Source
) -> tuple[np.ndarray, np.ndarray]:
    """Vertex and uv (-1: none) of all corners [n, 2], from 0, and the number of each face's corners [F]."""
    rows: list[tuple[int, int]] = []
    for line, words, vertices_before, uv_before in faces:
        for word in words:
            fields = word.split("/")
            vertex = _index(fields[0], vertices_before, vertices, "vertices", line, source)
            texture = fields[1] if len(fields) > 1 else ""
            rows.append((vertex, _index(texture, uv_before, uvs, "uv", line, source) if texture else -1))
        if len(words) < 3:
            source.warns("faces of fewer than three corners are left out")
    return np.array(rows, np.int64).reshape(-1, 2), np.array([len(words) for _, words, _, _ in faces], np.int64)


def _index(word: str, before: int, count: int, kind: str, line: int, source: Source) -> int:
    """The index from 0 that a number of a face means: from 1, or back from the last one if negative."""
    try:
        number = int(word)
    except ValueError:
        raise source.broken(f"{word!r} is no index", line=line or None) from None
    if number == 0:
        raise source.broken(f"a face has the index 0 of {kind}; indices begin at 1", line=line or None)
    index = number - 1 if number > 0 else before + number
    if not 0 <= index < count:
        raise source.broken(f"index {number} is outside {count} {kind}", line=line or None)
    return index
