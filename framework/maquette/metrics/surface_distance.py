"""A metric of the distance between a scene's surface and the true one."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from maquette.annotations import Count, Samples
from maquette.meshes.mesh import EmptySurface
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.geometry import PROTOCOL, SAMPLES, THRESHOLDS, compare_meshes, measured_surface
from maquette.registry import register

_log = logging.getLogger(__name__)


@register("metric", "surface-distance")
class SurfaceDistance(Metric):
    """Chamfer distance, F-scores and normal consistency between the scene's surface and the case's true mesh.

    F-scores have thresholds of 1 and 2 % of the diagonal of the true bounding box. A scene without a surface has
    F-scores of 0, and counts as missing in the other figures. docs/metrics.md has the protocol.
    """

    needs = ("surface",)

    @dataclass(frozen=True)
    class Config:
        samples: Count = SAMPLES  # points on each surface
        resolution: Samples = 128  # samples along each side of the cube, to extract the surface of a field

    def __init__(self, config: Config) -> None:
        self.config = config

    def directions(self) -> dict[str, Direction]:
        scores: dict[str, Direction] = {f"f_score_{name}": "higher" for name in THRESHOLDS}
        return {"chamfer": "lower", "chamfer_relative": "lower", **scores, "normal_consistency": "higher"}

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Extract, sample, compare; see `Metric`."""
        truth = case.build_truth().surface()
        try:
            ours = measured_surface(subject, self.config.resolution)
            comparison = compare_meshes(ours, truth, self.config.samples)
        except EmptySurface as problem:
            _log.warning("surface distance: %s", problem)
            return Measurement({f"f_score_{name}": 0.0 for name in THRESHOLDS}, {"problem": str(problem)})
        facts = {"protocol": PROTOCOL, "diagonal": round(comparison.diagonal, 4)}
        facts |= {"precision": dict(comparison.precision), "recall": dict(comparison.recall)}
        return Measurement(comparison.values(), facts)
