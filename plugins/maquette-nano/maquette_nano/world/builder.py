"""A small vocabulary for building objects out of primitives: balls, boxes, and solids between two points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maquette_nano.world import primitives as P
from maquette_nano.world.colors import BODY

Point = Sequence[float]


def _axis_rotation(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """A rotation (columns are local axes) whose z axis is `direction`."""
    z = direction / np.linalg.norm(direction)
    helper = np.array([1.0, 0.0, 0.0]) if abs(z[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    y = np.cross(z, helper)
    y /= np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z], axis=1)


class Builder:
    """Collects primitives; x is the object's front, z is up. Every solid has a color slot and a join operation."""

    def __init__(self) -> None:
        self.rows: list[NDArray[np.float64]] = []

    def _add(
        self,
        kind: int,
        centre: Point,
        rotation: NDArray[np.float64],
        size: Sequence[float],
        bounding_radius: float,
        color: int,
        join: int,
        blend: float,
    ) -> None:
        row = np.zeros(P.COLUMNS)
        row[P.KIND], row[P.OPERATION], row[P.COLOR] = kind, join, color
        row[P.CENTRE : P.CENTRE + 3] = centre
        row[P.ROTATION : P.ROTATION + 9] = rotation.reshape(-1)
        row[P.SIZE : P.SIZE + len(size)] = size
        row[P.BLEND], row[P.BOUNDING_RADIUS] = blend, bounding_radius
        self.rows.append(row)

    def ball(
        self, centre: Point, radii: float | Point, color: int = BODY, join: int = P.UNION, blend: float = 0.0
    ) -> None:
        """A sphere (one radius) or an axis-aligned ellipsoid (three)."""
        sizes = [radii] * 3 if isinstance(radii, (int, float)) else list(radii)
        self._add(P.ELLIPSOID, centre, np.eye(3), sizes, max(sizes), color, join, blend)

    def box(
        self,
        centre: Point,
        half: Point,
        color: int = BODY,
        join: int = P.UNION,
        rounding: float = 0.02,
        tilt_deg: tuple[str, float] = ("y", 0.0),
        blend: float = 0.0,
    ) -> None:
        """A rounded box with half sides `half`, turned about one axis."""
        axis, angle = tilt_deg[0], np.radians(tilt_deg[1])
        i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        rotation = np.eye(3)
        rotation[i, i] = rotation[j, j] = np.cos(angle)
        rotation[j, i], rotation[i, j] = np.sin(angle), -np.sin(angle)
        size = [*half, min(rounding, *half)]
        self._add(P.BOX, centre, rotation, size, float(np.linalg.norm(list(half))), color, join, blend)

    def _between(self, start: Point, end: Point) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        a, b = np.asarray(start, float), np.asarray(end, float)
        return (a + b) / 2, _axis_rotation(b - a), float(np.linalg.norm(b - a)) / 2

    def capsule(
        self, start: Point, end: Point, radius: float, color: int = BODY, join: int = P.UNION, blend: float = 0.0
    ) -> None:
        """A round-ended rod from `start` to `end`."""
        centre, rotation, half = self._between(start, end)
        self._add(P.CAPSULE, centre.tolist(), rotation, [radius, half], half + radius, color, join, blend)

    def cylinder(
        self,
        start: Point,
        end: Point,
        radius: float,
        color: int = BODY,
        join: int = P.UNION,
        rounding: float = 0.015,
        blend: float = 0.0,
    ) -> None:
        """A flat-ended cylinder from `start` to `end`."""
        centre, rotation, half = self._between(start, end)
        size = [radius, half, 0.0, min(rounding, radius, half)]
        bounding_radius = float(np.hypot(half, radius))
        self._add(P.CYLINDER, centre.tolist(), rotation, size, bounding_radius, color, join, blend)

    def cone(
        self,
        start: Point,
        end: Point,
        start_radius: float,
        end_radius: float,
        color: int = BODY,
        join: int = P.UNION,
        blend: float = 0.0,
    ) -> None:
        """A cone or frustum from `start` to `end`."""
        centre, rotation, half = self._between(start, end)
        bounding_radius = float(np.hypot(half, max(start_radius, end_radius)))
        size = [start_radius, end_radius, half]
        self._add(P.CONE, centre.tolist(), rotation, size, bounding_radius, color, join, blend)

    def torus(
        self,
        centre: Point,
        axis: Point,
        ring: float,
        tube: float,
        color: int = BODY,
        join: int = P.UNION,
        blend: float = 0.0,
    ) -> None:
        """A ring of radius `ring` around `axis`, with a tube of radius `tube`."""
        rotation = _axis_rotation(np.asarray(axis, float))
        self._add(P.TORUS, centre, rotation, [ring, tube], ring + tube, color, join, blend)

    def table(self) -> NDArray[np.float64]:
        """The rows so far, [P, COLUMNS]."""
        return np.stack(self.rows)
