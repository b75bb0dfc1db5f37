"""Mesh files as one `Mesh` in the world: parts with their transforms, textures or colours, joined and placed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from maquette.errors import ConfigError
from maquette.images.color import linear_to_srgb, srgb_to_linear
from maquette.meshes.atlas import LARGEST, Painted, in_one_tile, packed, palette
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Y_UP_FORMATS, Placement

FORMATS = ("obj", "glb", "gltf", "ply", "off", "stl")
UNPAINTED = (1.0, 1.0, 1.0)  # of a part without colour among coloured ones, as glTF 2.0 has it


@dataclass(frozen=True, eq=False)
class _Part:
    """One mesh of a file in the file's axes: painted by a picture, or coloured at its vertices, or neither."""

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None = None
    painted: Painted | None = None


def read_mesh(path: str | Path, placement: Placement | None = None, largest: int = LARGEST, key: str = "path") -> Mesh:
    """The triangles of an .obj, .glb, .gltf, .ply, .off or .stl file, placed in the world.

    All meshes of the file are joined, each moved by its place in the scene. Colours are the base colours alone, without
    light or transparency: the texture (times the base colour factor in glTF, as it is in OBJ), else the colours of
    vertices or faces, else the plain colour of the material. Several textures become one; parts with colours in a file
    that has textures become texels too.

    Args:
        path: the file; what it refers to is looked for beside it.
        placement: how its axes and size become the world's; None for the defaults of `Placement`.
        largest: texels along the longer side of the texture; a larger one is shrunk.
        key: config key that named the file, for errors.

    Returns:
        Vertices, faces, and either `uv` with `texture`, or `vertex_colors`, or neither.

    Raises:
        ConfigError: there is no such file, it is of another format, is broken, has no faces, or lacks a companion.
    """
    path, placement = Path(path).expanduser(), placement or Placement()
    extension = path.suffix.lower().lstrip(".")
    if not path.is_file():
        raise ConfigError(f"there is no mesh file {path}", key=key)
    if extension not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise ConfigError(f"a mesh file ends in {known}, not in {path.suffix!r}", key=key, file=str(path))
    try:
        joined = _joined(_parts(path, extension, key))
        used, index = np.unique(joined.faces, return_inverse=True)
        vertices = placement.place(joined.vertices[used], extension)
        return _mesh(joined, used, vertices, index.reshape(-1, 3), largest)
    except ValueError as problem:
        raise ConfigError(f"the mesh cannot be used: {problem}", key=key, file=str(path)) from problem


def _parts(path: Path, extension: str, key: str) -> list[_Part]:
    import trimesh

    companions = _companions(path)
    try:
        scene = trimesh.load_scene(path, process=False, resolver=companions)
    except Exception as problem:  # trimesh's readers raise whatever a broken file makes them stumble over
        raise ConfigError(f"the mesh cannot be read: {problem}", key=key, file=str(path)) from problem
    if companions.missing:
        raise ConfigError(
            f"the mesh refers to {', '.join(companions.missing)}, which is not beside it", key=key, file=str(path),
            hint="put it there, or delete the line that names it",
        )  # fmt: skip
    parts, points = [], 0
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        body = scene.geometry[name]
        if isinstance(body, trimesh.Trimesh) and len(body.faces):
            parts.append(_part(body, np.asarray(transform), extension))
        else:
            points += len(getattr(body, "vertices", ()))
    if not parts:
        found = f"{points} points and no faces" if points else "nothing"
        raise ConfigError(f"the mesh file holds {found}", key=key, file=str(path), hint="give one with triangles")
    return parts


def _companions(path: Path) -> Any:
    """trimesh's look-up of files beside `path`, which remembers in `missing` what it did not find."""
    from trimesh.resolvers import FilePathResolver

    class Companions(FilePathResolver):
        missing: tuple[str, ...] = ()

        def get(self, name: str) -> bytes:
            try:
                return super().get(name)
            except (OSError, ValueError):
                self.missing = (*self.missing, name.strip())
                raise

    return Companions(str(path))


def _part(body: Any, transform: np.ndarray, extension: str) -> _Part:
    """A trimesh body where its scene puts it."""
    vertices = np.asarray(body.vertices, np.float64) @ transform[:3, :3].T + transform[:3, 3]
    faces = np.asarray(body.faces, np.int64)
    if np.linalg.det(transform[:3, :3]) < 0:
        faces = faces[:, ::-1]  # a mirror turns triangles inside out
    kind, visual = body.visual.kind, body.visual
    if kind == "texture":
        picture = _picture(visual.material)
        if picture is not None and visual.uv is not None:
            uv = np.asarray(visual.uv, np.float64)
            return _Part(vertices, faces, painted=Painted(vertices, faces, uv, picture))
        return _Part(vertices, faces, np.tile(_plain_color(visual.material), (len(vertices), 1)))
    if kind == "face":
        colors = np.repeat(visual.face_colors[:, :3] / 255, 3, axis=0)
        return _Part(vertices[faces].reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3), colors)
    if kind == "vertex":
        colors = visual.vertex_colors[:, :3] / 255
        return _Part(vertices, faces, _stored(colors) if extension in Y_UP_FORMATS else colors)
    return _Part(vertices, faces)


def _picture(material: Any) -> Image.Image | None:
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    factor = getattr(material, "baseColorFactor", None)
    if picture is None:
        return None
    picture = picture.convert("RGB")
    if factor is None or (factor[:3] == 255).all():
        return picture
    light = torch.arange(256) / 255
    tables = [linear_to_srgb(srgb_to_linear(light) * (int(value) / 255)) for value in factor[:3]]
    return picture.point([round(entry * 255) for table in tables for entry in table.tolist()])


def _plain_color(material: Any) -> np.ndarray:
    """sRGB [3]: glTF's base colour factor is linear, MTL's Kd is not."""
    if hasattr(material, "baseColorFactor"):
        factor = material.baseColorFactor
        return np.array(UNPAINTED) if factor is None else _stored(factor[:3] / 255)
    return material.main_color[:3] / 255


def _stored(light: np.ndarray) -> np.ndarray:
    return linear_to_srgb(torch.from_numpy(light)).numpy()


def _joined(parts: list[_Part]) -> _Part:
    """All parts as one: painted if any of them is, else coloured if any of them is."""
    if any(part.painted is not None for part in parts):
        whole = packed([in_one_tile(part.painted or _painted(part)) for part in parts])
        return _Part(whole.vertices, whole.faces, painted=whole)
    first = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    colors = None
    if any(part.colors is not None for part in parts):
        colors = np.concatenate([_colors(part) for part in parts])
    faces = [part.faces + start for part, start in zip(parts, first, strict=True)]
    return _Part(np.concatenate([part.vertices for part in parts]), np.concatenate(faces), colors)


def _colors(part: _Part) -> np.ndarray:
    return part.colors if part.colors is not None else np.tile(UNPAINTED, (len(part.vertices), 1))


def _painted(part: _Part) -> Painted:
    """A part with colours at its vertices as one with a texel for each face, or a single one if all are the same."""
    mean = _colors(part)[part.faces].mean(1)
    distinct, which = np.unique(mean, axis=0, return_inverse=True)
    picture, uv = palette(distinct)
    faces, uv = np.arange(3 * len(part.faces)).reshape(-1, 3), np.repeat(uv[which.reshape(-1)], 3, axis=0)
    return Painted(part.vertices[part.faces].reshape(-1, 3), faces, uv, picture)


def _mesh(part: _Part, used: np.ndarray, vertices: np.ndarray, faces: np.ndarray, largest: int) -> Mesh:
    if part.painted is None:
        return Mesh(vertices, faces, None if part.colors is None else part.colors[used])
    picture = part.painted.picture
    if max(picture.size) > largest:
        picture = picture.copy()
        picture.thumbnail((largest, largest), Image.Resampling.BOX)
    return Mesh(vertices, faces, uv=part.painted.uv[used], texture=np.asarray(picture, np.float32) / 255)
