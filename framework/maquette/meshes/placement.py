"""Conversion of a mesh file's axes and size to the world's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Up = Literal["auto", "y", "z"]
Front = Literal["auto", "+x", "-x", "+y", "-y", "+z", "-z"]
Fit = Literal["extent", "radius", "none"]

Y_UP_FORMATS = ("glb", "gltf")  # glTF 2.0, sec. 3.4: y up, front along +z; the other formats fix no axes


@dataclass(frozen=True)
class Placement:
    """Orientation, position and size of a mesh file in the world (z up, front along +x).

    Args:
        up: the file's axis that points up; "auto" is y for glTF and z for other formats, as our writers have it.
        front: the file's direction that the object faces; "auto" is +z where y is up and +x where z is.
        fit: "extent" moves the middle of the bounding box to the origin and gives its longest side the length `size`;
            "radius" does the same and gives the distance from there to the farthest vertex the length `size`; "none"
            keeps the file's position and scale, and ignores `size`.
        size: Positive

    Raises:
        ValueError: front and up have the same axis, or the size is not positive.
    """

    up: Up = "auto"
    front: Front = "auto"
    fit: Fit = "extent"
    size: float = 1.2

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise ValueError(f"size is positive, not {self.size:g}")
        if self.up != "auto" and self.front[-1] == self.up:
            raise ValueError(f"the front cannot look along {self.front}: {self.up} is up")

    def axes(self, extension: str) -> np.ndarray:
        """Rotation [3, 3] from the axes of a file with that extension (no dot) to the world's.

        Example:
            >>> Placement().axes("glb").astype(int).tolist()  # the world's x, y, z are glTF's z, x, y
            [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
        """
        up = self.up if self.up != "auto" else "y" if extension in Y_UP_FORMATS else "z"
        front = self.front if self.front != "auto" else "+z" if up == "y" else "+x"
        if front[-1] == up:
            raise ValueError(f"the front cannot look along {front}: in a .{extension} file {up} is up unless told so")
        forward, upward = _axis(front), _axis(up)
        return np.stack([forward, np.cross(upward, forward), upward])

    def place_vertices(self, vertices: np.ndarray, extension: str) -> np.ndarray:
        """Transform a file's vertices [V, 3], all of them used by faces, to the world; float64.

        Raises:
            ValueError: a coordinate is not finite, or there is no extent to fit.
        """
        broken = int((~np.isfinite(vertices)).any(1).sum())
        if broken:
            raise ValueError(f"{broken} of its vertices are not finite")
        turned = vertices.astype(np.float64) @ self.axes(extension).T
        if self.fit == "none":
            return turned
        low, high = turned.min(0), turned.max(0)
        turned -= (low + high) / 2
        reach = float((high - low).max() if self.fit == "extent" else np.linalg.norm(turned, axis=1).max())
        if not reach > 0:
            raise ValueError("all its vertices lie at one point")
        return turned * (self.size / reach)


def _axis(name: str) -> np.ndarray:
    """The unit vector called "z", "+x", "-y" ..."""
    return np.eye(3)["xyz".index(name[-1])] * (-1 if name.startswith("-") else 1)
