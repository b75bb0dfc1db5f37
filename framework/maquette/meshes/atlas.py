"""Many pictures on one mesh as one picture: repeated where a mesh repeats them, and packed side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

LARGEST = 4096  # texels along a side of an atlas; what would be larger is shrunk
MARGIN = 4  # texels around each picture that repeat its rim, so that bilinear lookups do not mix neighbours
SLACK = 1e-5  # by which coordinates may miss a tile's border without asking for the next tile


@dataclass(frozen=True, eq=False)
class Painted:
    """Triangles with a picture; conventions as in `maquette.meshes.mesh.Mesh`, but `uv` may lie outside [0, 1].

    Args:
        vertices: [V, 3].
        faces: [F, 3].
        uv: [V, 2]; the picture repeats beyond [0, 1].
        picture: RGB.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    picture: Image.Image


def in_one_tile(part: Painted) -> Painted:
    """The same look with `uv` in [0, 1]: each face moved by whole tiles, the picture repeated where one spans many.

    Vertices whose faces move by different tiles are repeated.
    """
    if part.uv.min() >= -SLACK and part.uv.max() <= 1 + SLACK:
        return replace(part, uv=part.uv.clip(0, 1))
    corners = part.uv[part.faces]
    tile = np.floor(corners.min(1) + SLACK)
    keys = np.column_stack([part.faces.reshape(-1), np.repeat(tile, 3, axis=0)])
    kept, index = np.unique(keys, axis=0, return_inverse=True)
    origin = kept[:, 0].astype(np.int64)
    uv = part.uv[origin] - kept[:, 1:]
    repeats = np.maximum(np.ceil(uv.max(0) - SLACK), 1).astype(int)
    picture = _repeated(part.picture, int(repeats[0]), int(repeats[1]))
    return Painted(part.vertices[origin], index.reshape(-1, 3), np.clip(uv / repeats, 0, 1), picture)


def packed(parts: list[Painted]) -> Painted:
    """Parts with `uv` in [0, 1] as one, on one picture; parts that share a picture share its place."""
    pictures: dict[tuple[tuple[int, int], bytes], Image.Image] = {}
    keys = [(part.picture.size, part.picture.tobytes()) for part in parts]
    for key, part in zip(keys, parts, strict=True):
        pictures.setdefault(key, part.picture)
    if len(pictures) == 1:
        return _joined(parts, [part.uv for part in parts], parts[0].picture)
    shrunk = {key: _shrunk(picture, len(pictures)) for key, picture in pictures.items()}
    atlas, places = _side_by_side(list(shrunk.values()))
    place_of = dict(zip(shrunk, places, strict=True))
    size = np.array(atlas.size)
    uv = [(place_of[key] + MARGIN + part.uv * shrunk[key].size) / size for key, part in zip(keys, parts, strict=True)]
    return _joined(parts, uv, atlas)


def palette(colors: np.ndarray) -> tuple[Image.Image, np.ndarray]:
    """A picture with one texel for each of n colours [n, 3] in [0, 1], and the middles of these texels as uv [n, 2]."""
    side = max(1, int(np.ceil(np.sqrt(len(colors)))))
    texels = np.zeros((side * side, 3), np.uint8)
    texels[: len(colors)] = np.round(colors * 255)
    row, column = np.divmod(np.arange(len(colors)), side)
    uv = np.stack([(column + 0.5) / side, 1 - (row + 0.5) / side], axis=-1)
    return Image.fromarray(texels.reshape(side, side, 3)), uv


def _repeated(picture: Image.Image, across: int, up: int) -> Image.Image:
    if across == up == 1:
        return picture
    width, height = min(picture.width, max(1, LARGEST // across)), min(picture.height, max(1, LARGEST // up))
    tile = np.asarray(picture.resize((width, height), Image.Resampling.BOX))
    return Image.fromarray(np.tile(tile, (min(up, LARGEST), min(across, LARGEST), 1)))


def _shrunk(picture: Image.Image, neighbours: int) -> Image.Image:
    """Small enough that `neighbours` as large as it fit on an atlas."""
    largest = int(LARGEST / np.ceil(np.sqrt(neighbours))) - 2 * MARGIN
    factor = min(1.0, largest / max(picture.size))
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture if factor == 1 else picture.resize((width, height), Image.Resampling.BOX)


def _side_by_side(pictures: list[Image.Image]) -> tuple[Image.Image, np.ndarray]:
    """Pictures with margins on an atlas, and the lower left corners [n, 2] of their margins, counted from its own."""
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


def _joined(parts: list[Painted], uv: list[np.ndarray], picture: Image.Image) -> Painted:
    first = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    faces = [part.faces + start for part, start in zip(parts, first, strict=True)]
    return Painted(np.concatenate([p.vertices for p in parts]), np.concatenate(faces), np.concatenate(uv), picture)
