"""Reading of PLY: polygons and triangle strips, colours of vertices and faces in every spelling in use, textures."""

from __future__ import annotations

import numpy as np

from maquette.meshes.formats.content import Content, Part, Points, split_corners, unit_colors
from maquette.meshes.formats.ply_table import Element, Ply, read_ply_table
from maquette.meshes.formats.polygons import strip_triangles, triangulate
from maquette.meshes.formats.source import Source
from maquette.meshes.formats.textures import decode_texture

COLORS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
UV = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t"))
NORMALS = ("nx", "ny", "nz")
GAUSSIAN = ("f_dc_0", "opacity", "scale_0", "rot_0")  # columns of a 3DGS cloud


def read_ply(source: Source) -> Content:
    """Read a .ply file with its textures."""
    ply = read_ply_table(source)
    encoding = "ply-text" if ply.encoding == "ascii" else "ply-binary"
    vertex = ply.elements.get("vertex", Element(0))
    if vertex.count and not {"x", "y", "z"} <= vertex.columns.keys():
        raise source.broken("its vertices have no x, y and z")
    positions = np.stack([vertex.columns.get(axis, np.zeros(0)) for axis in "xyz"], axis=-1).astype(np.float64)
    colors = _colors(vertex, source)
    if colors is not None:
        source.uses("vertex colors")
    _note_left_out(ply, vertex, source)
    indices, lengths, rows = _polygons(ply, source)
    if not len(lengths):
        return Content(encoding, points=[Points(positions, colors)] if len(positions) else [])
    outside = indices[(indices < 0) | (indices >= len(positions))]
    if len(outside):
        raise source.broken(f"index {outside[0]} is outside {len(positions)} vertices")
    corners, owner = triangulate(indices, lengths, positions)
    part = Part(positions, indices[corners], colors)
    face = ply.elements.get("face", Element(0))
    content = Content(encoding)
    if len(corners):
        places = corners - (np.cumsum(lengths) - lengths)[owner][:, None]
        content.parts = _painted(part, vertex, face, rows[owner], places, ply, source)
    content.uv_sets = int(_uv_names(vertex) is not None or "texcoord" in face.lists)
    return content


def _polygons(ply: Ply, source: Source) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices of the corners of all polygons, their lengths, and each one's row among the faces, -1 for strips."""
    indices, lengths = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    face = ply.elements.get("face")
    if face is not None and face.count:
        name = next((name for name in face.lists if name.startswith("vert") or "ind" in name), None)
        if name is None:
            raise source.broken("its faces have no list of vertices")
        indices.append(face.lists[name].values.astype(np.int64))
        lengths.append(face.lists[name].lengths)
    count = sum(map(len, lengths))
    for strips in ply.elements["tristrips"].lists.values() if "tristrips" in ply.elements else ():
        source.uses("triangle strips")
        for row in np.split(strips.values.astype(np.int64), np.cumsum(strips.lengths)[:-1]):
            for piece in np.split(row, np.flatnonzero(row == -1)):  # all but the first begin with a -1
                strip = piece[piece != -1]
                triangles = strip[strip_triangles(len(strip))]
                a, b, c = triangles.T
                triangles = triangles[(a != b) & (b != c) & (c != a)]
                indices.append(triangles.reshape(-1))
                lengths.append(np.full(len(triangles), 3))
    whole = np.concatenate(lengths)
    rows = np.where(np.arange(len(whole)) < count, np.arange(len(whole)), -1)
    return np.concatenate(indices), whole, rows


def _painted(
    part: Part, vertex: Element, face: Element, row: np.ndarray, triangles: np.ndarray, ply: Ply, source: Source
) -> list[Part]:
    """The part with its textures, or with the colours of vertices or faces."""
    textures = [line[11:].strip() for line in ply.comments if line.lower().startswith("texturefile")]
    uv = _corner_uv(part, vertex, face, row, triangles)
    if textures and uv is not None:
        if part.colors is not None:
            source.leaves("vertex colors, as there is a texture")
        source.uses("texture")
        source.uses("uv")
        number = face.columns.get("texnumber", np.zeros(face.count)).astype(np.int64)
        which = number[row].clip(0, len(textures) - 1) if face.count else np.zeros(len(row), np.int64)
        return [_textured(part, uv, which == i, name, source) for i, name in enumerate(textures) if (which == i).any()]
    if uv is not None:
        source.leaves("uv without a texture")
    elif textures:
        source.leaves("a texture without uv")
    shades = _colors(face, source)
    if shades is None or part.colors is not None:
        if shades is not None:
            source.leaves("colours of faces, as the vertices have colours")
        return [part]
    source.uses("face colors")
    return [split_corners(part, np.where(row[:, None] >= 0, shades[row], 1.0))]


def _textured(part: Part, uv: np.ndarray, chosen: np.ndarray, name: str, source: Source) -> Part:
    """The chosen faces under one texture; corners with equal vertices and uv are shared."""
    picture = decode_texture(source.companion(name), name, source)
    corners = np.column_stack([part.faces[chosen].reshape(-1), uv[chosen].reshape(-1, 2)])
    distinct, index = np.unique(corners, axis=0, return_inverse=True)
    if not np.isfinite(distinct).all():
        raise source.broken("some of its uv are not finite")
    vertices = part.vertices[distinct[:, 0].astype(np.int64)]
    return Part(vertices, index.reshape(-1, 3), None, picture, distinct[:, 1:])


def _corner_uv(part: Part, vertex: Element, face: Element, row: np.ndarray, triangles: np.ndarray) -> np.ndarray | None:
    """uv of the corners of all triangles [T, 3, 2], of faces where they have them, else of vertices."""
    wedges = face.lists.get("texcoord")
    if wedges is not None and wedges.lengths.any() and (row >= 0).all():
        first = np.cumsum(wedges.lengths) - wedges.lengths
        place = first[row][:, None] + 2 * triangles
        fits = 2 * triangles + 1 < wedges.lengths[row][:, None]
        place = np.where(fits, place, 0)
        return np.where(fits[..., None], np.stack([wedges.values[place], wedges.values[place + 1]], axis=-1), 0.0)
    names = _uv_names(vertex)
    if names is None:
        return None
    return np.stack([vertex.columns[name] for name in names], axis=-1).astype(np.float64)[part.faces]


def _uv_names(vertex: Element) -> tuple[str, str] | None:
    return next((names for names in UV if set(names) <= vertex.columns.keys()), None)


def _colors(element: Element, source: Source) -> np.ndarray | None:
    """sRGB [n, 3] of an element; whole numbers are of 255, or of 65535 where they have 16 bits."""
    names = next((names for names in COLORS if set(names) <= element.columns.keys()), None)
    if names is None or not element.count:
        return None
    columns = [element.columns[name] for name in names]
    if all(column.dtype == np.uint16 for column in columns) and max(column.max() for column in columns) > 255:
        return np.stack(columns, axis=-1) / 65535
    values = np.stack(columns, axis=-1).astype(np.float64)
    if any(column.dtype.kind in "iu" for column in columns):
        return values.clip(0, 255) / 255
    return unit_colors(values, source)


def _note_left_out(ply: Ply, vertex: Element, source: Source) -> None:
    expected = {"x", "y", "z", *NORMALS, "alpha", "diffuse_alpha", "a", *sum(COLORS, ()), *sum(UV, ())}
    if set(NORMALS) <= vertex.columns.keys():
        source.leaves("normals")
    if set(GAUSSIAN) <= vertex.columns.keys():
        source.leaves("Gaussians (colour, opacity, scale, rotation)")
    elif rest := [name for name in vertex.columns if name not in expected]:
        source.leaves(f"properties of vertices: {', '.join(rest)}")
    for name in ply.elements.keys() - {"vertex", "face", "tristrips"}:
        if ply.elements[name].count:
            source.leaves(f"elements: {name}")
