"""Reading of mesh files: all parts, with transforms, textures and colours, become one `Mesh` in the world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from maquette.errors import ConfigError
from maquette.images.color import linear_to_srgb, srgb_to_linear
from maquette.meshes.atlas import LARGEST_ATLAS, TexturedPart, color_palette, pack_atlas, to_unit_tile
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Y_UP_FORMATS, Placement

FORMATS = ("obj", "glb", "gltf", "ply", "off", "stl")
DEFAULT_COLOR = (1.0, 1.0, 1.0)  # of a part without colours among coloured ones, as in glTF 2.0


@dataclass(frozen=True, eq=False)
class _Part:
    """One mesh of a file in the file's axes: with a texture, with vertex colours, or with neither."""

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None = None
    textured: TexturedPart | None = None


def read_mesh(
    path: str | Path, placement: Placement | None = None, largest: int = LARGEST_ATLAS, key: str = "path"
) -> Mesh:
    """Read the triangles of an .obj, .glb, .gltf, .ply, .off or .stl file, placed in the world.

    All meshes of the file are merged, each with its transform in the scene. Colours are the base colours alone, without
    light or transparency: the texture (times the base colour factor in glTF, unchanged in OBJ), else the colours of
    vertices or faces, else the plain colour of the material. Several textures are merged into an atlas; colours in a
    file with textures become texels.

    Args:
        path: the file; files that it refers to are searched in its folder.
        placement: orientation and size in the world; None for the defaults of `Placement`.
        largest: texels along the longer side of the texture; a larger one is shrunk.
        key: config key of the path, for error messages.

    Returns:
        Vertices, faces, and either `uv` with `texture`, or `vertex_colors`, or neither.

    Raises:
        ConfigError: the file is missing, of another format, broken, without faces, or refers to a missing file.
    """
    path, placement = Path(path).expanduser(), placement or Placement()
    extension = path.suffix.lower().lstrip(".")
    if not path.is_file():
        raise ConfigError(f"there is no mesh file {path}", key=key)
    if extension not in FORMATS:
        formats = ", ".join(f".{name}" for name in FORMATS)
        raise ConfigError(f"a mesh file ends in {formats}, not in {path.suffix!r}", key=key, file=str(path))
    try:
        whole = _merge_parts(_read_parts(path, extension, key))
        used, index = np.unique(whole.faces, return_inverse=True)
        vertices = placement.place_vertices(whole.vertices[used], extension)
        return _to_mesh(whole, used, vertices, index.reshape(-1, 3), largest)
    except ValueError as problem:
        raise ConfigError(f"the mesh cannot be used: {problem}", key=key, file=str(path)) from problem


def _read_parts(path: Path, extension: str, key: str) -> list[_Part]:
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
        content = f"{points} points and no faces" if points else "nothing"
        raise ConfigError(f"the mesh file holds {content}", key=key, file=str(path), hint="give one with triangles")
    return parts


def _companions(path: Path) -> Any:
    """trimesh's resolver of files beside `path`, which records missing ones in `missing`."""
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
    """A trimesh body with its transform in the scene applied."""
    vertices = np.asarray(body.vertices, np.float64) @ transform[:3, :3].T + transform[:3, 3]
    faces = np.asarray(body.faces, np.int64)
    if np.linalg.det(transform[:3, :3]) < 0:
        faces = faces[:, ::-1]  # a mirror turns triangles inside out
    kind, visual = body.visual.kind, body.visual
    if kind == "texture":
        picture = _picture(visual.material)
        if picture is not None and visual.uv is not None:
            uv = np.asarray(visual.uv, np.float64)
            return _Part(vertices, faces, textured=TexturedPart(vertices, faces, uv, picture))
        return _Part(vertices, faces, np.tile(_plain_color(visual.material), (len(vertices), 1)))
    if kind == "face":
        colors = np.repeat(visual.face_colors[:, :3] / 255, 3, axis=0)
        return _Part(vertices[faces].reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3), colors)
    if kind == "vertex":
        colors = visual.vertex_colors[:, :3] / 255
        return _Part(vertices, faces, _to_srgb(colors) if extension in Y_UP_FORMATS else colors)
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
        return np.array(DEFAULT_COLOR) if factor is None else _to_srgb(factor[:3] / 255)
    return material.main_color[:3] / 255


def _to_srgb(light: np.ndarray) -> np.ndarray:
    return linear_to_srgb(torch.from_numpy(light)).numpy()


def _merge_parts(parts: list[_Part]) -> _Part:
    """Merge parts into one: textured if any part is, else with vertex colours if any part has them."""
    if any(part.textured is not None for part in parts):
        whole = pack_atlas([to_unit_tile(part.textured or _textured_part(part)) for part in parts])
        return _Part(whole.vertices, whole.faces, textured=whole)
    first = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    colors = None
    if any(part.colors is not None for part in parts):
        colors = np.concatenate([_vertex_colors(part) for part in parts])
    faces = [part.faces + start for part, start in zip(parts, first, strict=True)]
    return _Part(np.concatenate([part.vertices for part in parts]), np.concatenate(faces), colors)


def _vertex_colors(part: _Part) -> np.ndarray:
    return part.colors if part.colors is not None else np.tile(DEFAULT_COLOR, (len(part.vertices), 1))


def _textured_part(part: _Part) -> TexturedPart:
    """Convert a part with vertex colours to a textured one, with one texel for each distinct colour of a face."""
    mean = _vertex_colors(part)[part.faces].mean(1)
    distinct, which = np.unique(mean, axis=0, return_inverse=True)
    picture, uv = color_palette(distinct)
    faces, uv = np.arange(3 * len(part.faces)).reshape(-1, 3), np.repeat(uv[which.reshape(-1)], 3, axis=0)
    return TexturedPart(part.vertices[part.faces].reshape(-1, 3), faces, uv, picture)


def _to_mesh(part: _Part, used: np.ndarray, vertices: np.ndarray, faces: np.ndarray, largest: int) -> Mesh:
    if part.textured is None:
        return Mesh(vertices, faces, None if part.colors is None else part.colors[used])
    picture = part.textured.picture
    if max(picture.size) > largest:
        picture = picture.copy()
        picture.thumbnail((largest, largest), Image.Resampling.BOX)
    return Mesh(vertices, faces, uv=part.textured.uv[used], texture=np.asarray(picture, np.float32) / 255)
