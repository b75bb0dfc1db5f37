"""What readers of mesh files give: parts with colours or a texture, and points; and what the formats have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from PIL import Image

from maquette.meshes.formats.source import Source

Wrap = Literal["repeat", "clamp", "mirror"]


@dataclass(frozen=True, eq=False)
class Part:
    """Triangles of one material, in the file's axes.

    Args:
        vertices: [V, 3] float64.
        faces: [F, 3] int64.
        colors: sRGB [V, 3] in [0, 1], of a part without a picture; None if the file gives no colour.
        picture: the texture, RGB.
        uv: [V, 2], v up; the texture goes on beyond [0, 1] as `wrap` says.
        tint: linear light [V, 3] in [0, 1] that the texture is multiplied by.
        wrap: across, up.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray | None = None
    picture: Image.Image | None = None
    uv: np.ndarray | None = None
    tint: np.ndarray | None = None
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")


@dataclass(frozen=True, eq=False)
class Points:
    """Positions [n, 3] in the file's axes, with sRGB colours [n, 3] in [0, 1] or none."""

    positions: np.ndarray
    colors: np.ndarray | None = None


@dataclass(eq=False)
class Content:
    """Everything that a reader found in a file.

    Args:
        format: of the file, such as "gltf" or "stl-binary".
        parts: with at least one face each.
        points: without faces.
        uv_sets: largest number of uv sets of a part.
    """

    format: str
    parts: list[Part] = field(default_factory=list)
    points: list[Points] = field(default_factory=list)
    uv_sets: int = 0


def split_corners(part: Part, colors: np.ndarray) -> Part:
    """The part with three vertices of its own for each face, coloured by `colors` [F, 3]."""
    corners = part.vertices[part.faces].reshape(-1, 3)
    return Part(corners, np.arange(len(corners)).reshape(-1, 3), np.repeat(colors, 3, axis=0))


def unit_colors(values: np.ndarray, source: Source | None = None) -> np.ndarray:
    """Colours in [0, 1] of numbers that a file gives in [0, 1] or in 0 to 255; see `finite_colors`.

    Example:
        >>> unit_colors(np.array([[255, 0, 51]])).tolist(), unit_colors(np.array([[1, 0.5, 0]])).tolist()
        ([[1.0, 0.0, 0.2]], [[1.0, 0.5, 0.0]])
    """
    values = finite_colors(np.asarray(values, np.float64), source)
    return np.clip(values / 255 if values.size and values.max() > 1 else values, 0, 1)


def finite_colors(values: np.ndarray, source: Source | None = None) -> np.ndarray:
    """Colours with 0 for numbers that are not finite; `source` is warned of them, and of negative ones."""
    finite = np.isfinite(values)
    if source is not None and not finite.all():
        source.warns(f"{int((~finite).sum())} numbers of its colours are not finite and become 0")
    values = np.where(finite, values, 0.0)
    if source is not None and values.size and values.min() < 0:
        source.warns("some of its colours are negative and become 0")
    return values
