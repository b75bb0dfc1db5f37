"""A metric of the faces of a scene's mesh that pass through each other."""

from __future__ import annotations

from dataclasses import dataclass

from maquette.annotations import Samples
from maquette.meshes.intersections import intersecting_faces
from maquette.meshes.mesh import EmptySurface
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.geometry import measured_surface
from maquette.registry import register


@register("metric", "self-intersections")
class SelfIntersections(Metric):
    """Fraction of the faces of the scene's mesh that pass through another face, which share no vertex with it.

    It does not show in renderings, and slicers and modelling programs stumble over it. Missing without a surface.

    Source: `maquette.meshes.intersections.intersecting_faces`.
    """

    @dataclass(frozen=True)
    class Config:
        resolution: Samples = 128  # samples along each side of the cube, to extract the surface of a field

    def __init__(self, config: Config) -> None:
        self.config = config

    def directions(self) -> dict[str, Direction]:
        return {"faces": "lower"}

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Extract and count; see `Metric`."""
        try:
            crossed = intersecting_faces(measured_surface(subject, self.config.resolution))
        except EmptySurface as problem:
            return Measurement({}, {"problem": str(problem)})
        return Measurement({"faces": float(crossed.mean())}, {"faces": len(crossed), "crossed": int(crossed.sum())})
