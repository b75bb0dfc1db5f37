"""Reading of mesh files: all parts, with transforms, textures and colours, become one `Mesh` in the world."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maquette.errors import ConfigError
from maquette.loaded import Loaded
from maquette.meshes.atlas import LARGEST_ATLAS, pack_atlas, to_unit_tile
from maquette.meshes.formats.content import Content, Part
from maquette.meshes.formats.gltf import read_gltf
from maquette.meshes.formats.obj import read_obj
from maquette.meshes.formats.off import read_off
from maquette.meshes.formats.ply import read_ply
from maquette.meshes.formats.source import Source
from maquette.meshes.formats.stl import read_stl
from maquette.meshes.formats.xyz import read_xyz
from maquette.meshes.mesh import Mesh
from maquette.meshes.painting import MOST_BAKED, mean_color, plain_part, textured_part, vertex_colors
from maquette.meshes.placement import Placement
from maquette.meshes.topology import count_components, is_watertight, orient_outward

READERS: dict[str, Callable[[Source], Content]] = {
    "obj": read_obj, "glb": read_gltf, "gltf": read_gltf, "ply": read_ply, "off": read_off, "stl": read_stl,
}  # fmt: skip
FORMATS = tuple(READERS)
POINT_READERS = {"xyz": read_xyz, "pts": read_xyz}
QUIET = ("normals", "metallic and roughness", "uv without a texture")  # an ordinary run does not mention their loss
FARTHEST_UV = 1e6  # repeats of a texture; beyond, single precision leaves nothing of its texels
NOT_THE_FILE = (
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch it: git lfs pull"),
    (b"<!doctype html", "an HTML page", "download the file again"),
    (b"<html", "an HTML page", "download the file again"),
)  # fmt: skip
"""Beginnings of files that stand in for others, what they are, and the remedy."""
BROKEN_CONTENT = (
    ArithmeticError, AttributeError, IndexError, KeyError, MemoryError, RecursionError, TypeError, ValueError,
    struct.error,
)  # fmt: skip
"""Errors that a file of the wrong structure makes a reader stumble over."""


class PointsAlone(ConfigError):
    """A file holds points, and no faces."""


def read_mesh(
    path: str | Path, placement: Placement | None = None, largest: int = LARGEST_ATLAS, key: str = "path"
) -> Mesh:  # fmt: skip
    """Read a mesh file and log what of it was left out; arguments and errors as for `inspect_mesh`.

    Args:
        placement: None for the defaults of `Placement`: centred, the longest side 1.2.
    """
    loaded = inspect_mesh(path, placement or Placement(), largest, key)
    return replace(loaded, ignored=tuple(name for name in loaded.ignored if name not in QUIET)).unwrap(path)


def inspect_mesh(
    path: str | Path, placement: Placement | None = None, largest: int = LARGEST_ATLAS, key: str = "path"
) -> Loaded[Mesh]:  # fmt: skip
    """Read the triangles of an .obj, .glb, .gltf, .ply, .off or .stl file, placed in the world, with an account of it.

    All meshes of the file are merged, each with its transform in the scene. Colours are the base colours alone, without
    light or transparency. In glTF they are factor, texture and vertex colours multiplied as light; in OBJ and PLY the
    texture, else the colours of vertices or faces, else the colour of the material. Several textures are merged into an
    atlas; colours in a file with textures become texels. Closed pieces are wound outward.

    Args:
        path: the file; files that it refers to are searched in its folder.
        placement: orientation and size in the world; None turns the file's axes to the world's and keeps its position
            and size.
        largest: texels along the longer side of the texture; a larger one is shrunk.
        key: config key of the path, for error messages.

    Returns:
        Vertices, faces, and either `uv` with `texture`, or `vertex_colors`, or neither. Facts: `vertices` and `faces`,
        their numbers; `bounds`, the smallest and largest corner after placement [[x, y, z], [x, y, z]]; `components`,
        the number of pieces that share no position; `watertight`, whether exactly two faces meet at each edge;
        `uv_sets`; `textures`, width and height in pixels of each picture of the file [[w, h], ...]; `mean_color`,
        the area-weighted mean in sRGB [r, g, b], or null where the file gives no colours.

    Raises:
        PointsAlone: it holds points without faces.
        ConfigError: the file is missing, of another format, broken, without faces, requires what is not read, or refers
            to a file that is missing or outside its folder.
    """
    path, placement = Path(path).expanduser(), placement or Placement(fit="none")
    source = open_source(path, key, FORMATS, "mesh file")
    extension = path.suffix.lower().lstrip(".")
    content = read_content(source)
    if not content.parts:
        hint = "give one with triangles"
        if count := sum(len(points.positions) for points in content.points):
            raise PointsAlone(f"the mesh file holds {count} points and no faces", key=key, file=str(path), hint=hint)
        raise source.error("the mesh file holds nothing", hint=hint)
    if content.points:
        source.leaves(f"{sum(len(points.positions) for points in content.points)} points")
    textured = any(part.picture is not None for part in content.parts)
    for part in content.parts if textured else ():
        if part.picture is None and part.colors is not None and len(part.faces) > MOST_BAKED:
            source.warns(f"a part of {len(part.faces)} faces beside textures gets one colour for each face")
    try:
        whole = _merge_parts(content.parts)
        used, index = np.unique(whole.faces, return_inverse=True)
        vertices = placement.place_vertices(whole.vertices[used], extension)
        if not np.ptp(vertices, axis=0).any():
            raise ValueError("all its vertices lie at one point")
        mesh, turned = orient_outward(_to_mesh(whole, used, vertices, index.reshape(-1, 3), largest))
        flat = int((mesh.face_areas == 0).sum())
        if flat == len(mesh.faces):
            raise ValueError("its faces have no area")
    except (ValueError, MemoryError) as problem:
        raise source.error(f"the mesh cannot be used: {problem}") from problem
    if flat:
        source.warns(f"{flat} of its {len(mesh.faces)} faces have no area")
    if turned:
        source.warns(f"{turned} of its {len(mesh.faces)} faces looked inward and were turned")
    return Loaded(
        mesh, "mesh", content.format, tuple(source.used), tuple(source.ignored), tuple(source.warnings),
        _facts(mesh, content, source),
    )  # fmt: skip


def open_source(path: Path, key: str, formats: Sequence[str], kind: str) -> Source:
    """The file at `path`, which exists and has the extension of one of the formats.

    Raises:
        ConfigError: it does not, or has not.
    """
    if not path.is_file():
        raise ConfigError(f"there is no {kind} {path}", key=key)
    if path.suffix.lower().lstrip(".") not in formats:
        available = ", ".join(f".{name}" for name in formats)
        raise ConfigError(f"a {kind} ends in {available}, not in {path.suffix!r}", key=key, file=str(path))
    source = Source(path, key)
    head = source.read_bytes(64).lstrip().lower()
    for start, name, hint in NOT_THE_FILE:
        if head.startswith(start):
            raise source.error(f"it is {name}, not the {kind} itself", hint=hint)
    return source


def read_content(source: Source) -> Content:
    """Parts and points of a mesh file, by the reader of its extension.

    Raises:
        ConfigError: the file is broken.
    """
    try:
        with np.errstate(all="ignore"):  # numbers that are too large become infinite, and are refused later
            content = (READERS | POINT_READERS)[source.path.suffix.lower().lstrip(".")](source)
    except BROKEN_CONTENT as problem:
        raise source.broken(describe_problem(problem)) from problem
    for part in content.parts:
        if part.uv is not None and not (np.abs(part.uv) <= FARTHEST_UV).all():  # NaN is not, either
            raise source.error(f"the mesh cannot be used: some of its uv are not finite, or beyond {FARTHEST_UV:g}")
    return content


def describe_problem(problem: Exception) -> str:
    """Words for an error that a file of the wrong structure makes a reader stumble over."""
    text = str(problem)[:200]
    return text if type(problem) is ValueError else f"its structure is wrong ({type(problem).__name__}: {text})"


def _merge_parts(parts: list[Part]) -> Part:
    """Merge parts into one: textured if any part is, else with vertex colours if any part has them."""
    parts = [plain_part(part) for part in parts]
    if any(part.picture is not None for part in parts):
        whole = pack_atlas([to_unit_tile(textured_part(part)) for part in parts])
        return Part(whole.vertices, whole.faces, None, whole.picture, whole.uv)
    first = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    colors = None
    if any(part.colors is not None for part in parts):
        colors = np.concatenate([vertex_colors(part) for part in parts])
    faces = [part.faces + start for part, start in zip(parts, first, strict=True)]
    return Part(np.concatenate([part.vertices for part in parts]), np.concatenate(faces), colors)


def _to_mesh(part: Part, used: np.ndarray, vertices: np.ndarray, faces: np.ndarray, largest: int) -> Mesh:
    if part.picture is None or part.uv is None:
        return Mesh(vertices, faces, None if part.colors is None else part.colors[used])
    picture = part.picture
    if max(picture.size) > largest:
        picture = picture.copy()
        picture.thumbnail((largest, largest), Image.Resampling.BOX)
    return Mesh(vertices, faces, uv=part.uv[used], texture=np.asarray(picture, np.float32) / 255)


def _facts(mesh: Mesh, content: Content, source: Source) -> dict[str, Any]:
    return {
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "bounds": [[float(f"{value:.7g}") for value in corner] for corner in mesh.bounds.tolist()],
        "components": count_components(mesh),
        "watertight": is_watertight(mesh),
        "uv_sets": content.uv_sets,
        "textures": [list(size) for size in source.textures],
        "mean_color": mean_color(mesh),
    }
