"""Merging the textures of several meshes into one atlas; repeated textures are tiled out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

LARGEST_ATLAS = 4096  # texels along a side of an atlas; larger textures are shrunk
MARGIN = 4  # texels around each picture that repeat its border, so that bilinear lookups do not mix neighbours
UV_TOLERANCE = 1e-5  # tolerance at tile borders


@dataclass(frozen=True, eq=False)
class TexturedPart:
    """Triangles with a texture; conventions as in `maquette.meshes.mesh.Mesh`, but `uv` may lie outside [0, 1].

    Args:
        vertices: [V, 3].
        faces: [F, 3].
        uv: [V, 2]; the texture repeats beyond [0, 1].
        picture: the texture, RGB.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    picture: Image.Image


def to_unit_tile(part: TexturedPart) -> TexturedPart:
    """An equivalent part with `uv` in [0, 1]: faces are shifted by whole tiles, and the texture is
    tiled where a face spans several tiles.

    Vertices of faces with different shifts are repeated.
    """
    if part.uv.min() >= -UV_TOLERANCE and part.uv.max() <= 1 + UV_TOLERANCE:
        return replace(part, uv=part.uv.clip(0, 1))
    corners = part.uv[part.faces]
    tile = np.floor(corners.min(1) + UV_TOLERANCE)
    keys = np.column_stack([part.faces.reshape(-1), np.repeat(tile, 3, axis=0)])
    unique_keys, index = np.unique(keys, axis=0, return_inverse=True)
    origin = unique_keys[:, 0].astype(np.int64)
    uv = part.uv[origin] - unique_keys[:, 1:]
    repeats = np.maximum(np.ceil(uv.max(0) - UV_TOLERANCE), 1).astype(int)
    picture = _repeat(part.picture, int(repeats[0]), int(repeats[1]))
    return TexturedPart(part.vertices[origin], index.reshape(-1, 3), np.clip(uv / repeats, 0, 1), picture)


def pack_atlas(parts: list[TexturedPart]) -> TexturedPart:
    """Merge parts with `uv` in [0, 1] into one part with one texture; equal textures are stored once."""
    pictures: dict[tuple[tuple[int, int], bytes], Image.Image] = {}
    keys = [(part.picture.size, part.picture.tobytes()) for part in parts]
    for key, part in zip(keys, parts, strict=True):
        pictures.setdefault(key, part.picture)
    if len(pictures) == 1:
        return _merge_parts(parts, [part.uv for part in parts], parts[0].picture)
    shrunk = {key: _shrink(picture, len(pictures)) for key, picture in pictures.items()}
    atlas, places = _pack_pictures(list(shrunk.values()))
    place_of = dict(zip(shrunk, places, strict=True))
    size = np.array(atlas.size)
    uv = [(place_of[key] + MARGIN + part.uv * shrunk[key].size) / size for key, part in zip(keys, parts, strict=True)]
    return _merge_parts(parts, uv, atlas)


def color_palette(colors: np.ndarray) -> tuple[Image.Image, np.ndarray]:
    """A texture with one texel for each of n colours [n, 3] in [0, 1], and the uv [n, 2] of these texels' centres."""
    side = max(1, int(np.ceil(np.sqrt(len(colors)))))
    texels = np.zeros((side * side, 3), np.uint8)
    texels[: len(colors)] = np.round(colors * 255)
    row, column = np.divmod(np.arange(len(colors)), side)
    uv = np.stack([(column + 0.5) / side, 1 - (row + 0.5) / side], axis=-1)
    return Image.fromarray(texels.reshape(side, side, 3)), uv


def _repeat(picture: Image.Image, across: int, up: int) -> Image.Image:
    if across == up == 1:
        return picture
    width, height = (
        min(picture.width, max(1, LARGEST_ATLAS // across)),
        min(picture.height, max(1, LARGEST_ATLAS // up)),
    )
    tile = np.asarray(picture.resize((width, height), Image.Resampling.BOX))
    return Image.fromarray(np.tile(tile, (min(up, LARGEST_ATLAS), min(across, LARGEST_ATLAS), 1)))


def _shrink(picture: Image.Image, neighbours: int) -> Image.Image:
    """The picture, shrunk so that `neighbours` pictures of its size fit on an atlas."""
    largest = int(LARGEST_ATLAS / np.ceil(np.sqrt(neighbours))) - 2 * MARGIN
    factor = min(1.0, largest / max(picture.size))
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture if factor == 1 else picture.resize((width, height), Image.Resampling.BOX)


def _pack_pictures(pictures: list[Image.Image]) -> tuple[Image.Image, np.ndarray]:
    """An atlas of pictures with margins, and the lower left corners [n, 2] of the margins from the atlas's own."""
    from trimesh.path.packing import rectangles

    margins = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    padded = [np.pad(np.asarray(picture), margins, mode="edge") for picture in pictures]
    bounds, _ = rectangles([part.shape[1::-1] for part in padded], rotate=False, iterations=1)  # more would be random
    places = np.round(bounds - bounds.min((0, 1))).astype(int)
    width, height = places.max((0, 1))
    atlas = np.zeros((height, width, 3), np.uint8)
    for part, ((left, low), (right, high)) in zip(padded, places, strict=True):
        atlas[height - high : height - low, left:right] = part
    return Image.fromarray(atlas), places[:, 0]


def _merge_parts(parts: list[TexturedPart], uv: list[np.ndarray], picture: Image.Image) -> TexturedPart:
    first = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    faces = [part.faces + start for part, start in zip(parts, first, strict=True)]
    return TexturedPart(np.concatenate([p.vertices for p in parts]), np.concatenate(faces), np.concatenate(uv), picture)
