"""Reading of OFF with its prefixes: colours of vertices and faces, normals and uv beside positions."""

from __future__ import annotations

import re

import numpy as np

from maquette.meshes.formats.content import Content, Part, Points, split_corners, unit_colors
from maquette.meshes.formats.polygons import triangulate
from maquette.meshes.formats.source import Source

KEYWORD = re.compile(r"(ST)?(C)?(N)?(4)?(n)?OFF(\d*)")


def read_off(source: Source) -> Content:
    """Read an .off file."""
    rows = _rows(source)
    if not rows:
        raise source.broken("it is empty")
    number, words = rows.pop(0)
    uv, color, normals = False, False, False
    keyword = KEYWORD.fullmatch(words[0])
    if keyword:
        uv, color, normals = (bool(keyword[i]) for i in (1, 2, 3))
        if keyword[4] or keyword[5]:
            raise source.error("OFF of other than three dimensions is not read", line=number)
        if words[1:2] == ["BINARY"]:
            raise source.error("binary OFF is not read", line=number, hint="save it as text, or as PLY")
        words = [keyword[6], *words[1:]] if keyword[6] else words[1:]
        if not words:
            if not rows:
                raise source.broken("it is cut off after its first word")
            number, words = rows.pop(0)
    counts = _integers(words[:2], number, source)
    if len(counts) < 2:
        raise source.broken("its counts of vertices and faces are missing", line=number)
    vertex_count, face_count = counts
    if vertex_count + face_count > len(rows):
        raise source.broken(f"it is cut off: {len(rows)} of {vertex_count + face_count} lines are there")
    positions, colors = _vertices(rows[:vertex_count], uv, color, normals, source)
    faces = rows[vertex_count : vertex_count + face_count]
    content = Content("off", uv_sets=int(uv))
    if not faces:
        content.points = [Points(positions, colors)] if vertex_count else []
        return content
    content.parts = _parts(faces, positions, colors, source)
    return content


def _rows(source: Source) -> list[tuple[int, list[str]]]:
    """Lines with their numbers and words; comments and empty lines left out."""
    lines = (line.split("#", 1)[0].split() for line in source.read_text().split("\n"))
    return [(number, words) for number, words in enumerate(lines, 1) if words]


def _integers(words: list[str], line: int, source: Source) -> list[int]:
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        raise source.broken(f"{' '.join(words)!r} are not whole numbers", line=line) from None
    if any(number < 0 for number in numbers):
        raise source.broken(f"{' '.join(words)!r} are negative", line=line)
    return numbers


def _vertices(
    rows: list[tuple[int, list[str]]], uv: bool, color: bool, normals: bool, source: Source
) -> tuple[np.ndarray, np.ndarray | None]:
    width = min((len(words) for _, words in rows), default=3)
    if width < 3:
        line = next(number for number, words in rows if len(words) < 3)
        raise source.broken("a vertex has fewer than three numbers", line=line)
    try:
        numbers = [float(word) for _, words in rows for word in words[:width]]
        table = np.array(numbers).reshape(-1, width)
    except ValueError as problem:
        raise source.broken(f"a vertex is not {width} numbers: {problem}") from problem
    first = 3 + (3 if normals else 0)
    left = width - first - (2 if uv else 0)
    if normals:
        source.leaves("normals")
    if uv:
        source.leaves("uv without a texture")
    if left >= 3 and (color or not uv):  # some writers leave out the C
        source.uses("vertex colors")
        return table[:, :3], unit_colors(table[:, first : first + 3], source)
    if left > 0:
        source.leaves(f"{left} further numbers of each vertex")
    return table[:, :3], None


def _parts(
    rows: list[tuple[int, list[str]]], positions: np.ndarray, colors: np.ndarray | None, source: Source
) -> list[Part]:
    indices: list[int] = []
    lengths, shades = [], []
    for number, words in rows:
        try:
            size, *polygon = map(int, words[: 1 + int(words[0])])
        except ValueError:
            raise source.broken(f"{' '.join(words)!r} are not whole numbers", line=number) from None
        if len(polygon) < size or size < 0:
            raise source.broken(f"a face has {len(polygon)} of {size} corners", line=number)
        if size and not 0 <= min(polygon) <= max(polygon) < len(positions):
            wrong = min(polygon) if min(polygon) < 0 else max(polygon)
            raise source.broken(f"index {wrong} is outside {len(positions)} vertices", line=number)
        indices += polygon
        lengths.append(size)
        shades.append(words[1 + size :])
    corner_indices = np.array(indices, np.int64)
    corners, polygon_of = triangulate(corner_indices, np.array(lengths), positions)
    part = Part(positions, corner_indices[corners], colors)
    if not len(corners):
        return []
    if any(len(shade) in (1, 2) for shade in shades):
        source.leaves("colours of faces by number")
    colored = np.array([len(shade) >= 3 for shade in shades])
    if not colored.any():
        return [part]
    if colors is not None:
        source.leaves("colours of faces, as the vertices have colours")
        return [part]
    source.uses("face colors")
    table = np.ones((len(shades), 3))
    try:
        table[colored] = unit_colors(np.array([shade[:3] for shade in shades if len(shade) >= 3], np.float64), source)
    except ValueError as problem:
        raise source.broken(f"the colour of a face is not numbers: {problem}") from problem
    return [split_corners(part, table[polygon_of])]
