"""A metric of the Janus problem: whether an object has several fronts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch

from maquette.annotations import Count, ElevationDeg, Pixels, Range, WeightsPath
from maquette.cameras.directions import wrap_deg
from maquette.export.base import Subject
from maquette.metrics._weights import pinned_hash
from maquette.metrics.base import Case, Direction, Measurement, Metric
from maquette.perception.viewpoint_reader import ViewpointReader, azimuths_deg
from maquette.registry import register

FRONT_SEPARATION_DEG = 90.0  # fronts within this azimuth of each other count as one


@register("metric", "janus")
class Janus(Metric):
    """Whether a viewpoint estimator recognises the object's front in views from several sides.

    A view is a front view if the cosine of its predicted azimuth exceeds `threshold`. Front views are merged, the most
    confident first, with all others within 90 degrees; a scene with two or more fronts has the problem. The values are
    "janus" and "no front", each 0 or 1 for a scene, and "view accuracy", the fraction of views with a predicted azimuth
    within 45 degrees of the camera's. The facts are the azimuths of the fronts and the prediction for each view.

    Source: a problem commonly assessed by eye, e.g. Armandpour et al. 2023 (Perp-Neg, arXiv 2304.04968), sec. 5.
    """

    @dataclass(frozen=True)
    class Config:
        reader: WeightsPath  # weights of the learner `viewpoint`: a plugin's name for them, or a folder
        sha256: str = ""  # of the weights, as the facts of a record say; others are refused
        views: Count = 16  # azimuths, evenly spaced from the front
        elevation_deg: ElevationDeg = 15.0  # height of the camera above the horizon
        size: Pixels = 64  # picture side in pixels
        threshold: Annotated[float, Range(-1, 1)] = math.cos(
            math.radians(45)
        )  # least cosine of the predicted azimuth of a front view

    def __init__(self, config: Config) -> None:
        self.config = config
        self._sha256 = pinned_hash(config.reader, config.sha256, "reader")
        self.reader = ViewpointReader.load(config.reader)
        self.azimuth_deg = [360.0 * i / config.views for i in range(config.views)]

    def directions(self) -> dict[str, Direction]:
        return {"janus": "lower", "no front": "lower", "view accuracy": "higher"}

    def __call__(self, subject: Subject, case: Case) -> Measurement:
        """Render over white, predict viewpoints, count fronts; see `Metric`."""
        views = subject.render(self.azimuth_deg, self.config.elevation_deg, self.config.size)
        return self.judge(views.picture.over(1.0).numpy(), self.azimuth_deg)

    def judge(self, rgb: np.ndarray, azimuth_deg: list[float]) -> Measurement:
        """Measure pictures [B, H, W, 3] in [0, 1] of one scene over white, from cameras at these azimuths."""
        read = self.reader(torch.from_numpy(np.ascontiguousarray(rgb)).float())
        frontness, cameras_deg = read[:, 2], torch.tensor(azimuth_deg)
        fronts_deg = fronts(frontness, cameras_deg, self.config.threshold)
        right = wrap_deg(azimuths_deg(read) - cameras_deg).abs() < 45
        values = {
            "janus": float(len(fronts_deg) > 1),
            "no front": float(not fronts_deg),
            "view accuracy": float(right.float().mean()),
        }
        facts = {
            "sha256": self._sha256,
            "fronts_deg": fronts_deg,
            "frontness": [round(value, 3) for value in frontness.tolist()],
        }
        return Measurement(values, facts)


def fronts(frontness: torch.Tensor, azimuth_deg: torch.Tensor, threshold: float) -> list[float]:
    """Azimuths of the separate fronts, the most confident first.

    Example:
        >>> azimuth_deg = torch.tensor([0.0, 90.0, 180.0, 270.0])
        >>> fronts(torch.tensor([0.9, 0.8, 0.85, 0.1]), azimuth_deg, 0.7)
        [0.0, 180.0]
    """
    left, fronts_deg = frontness.clone(), []
    while float(left.max()) > threshold:
        surest = azimuth_deg[int(left.argmax())]
        fronts_deg.append(float(surest))
        left[wrap_deg(azimuth_deg - surest).abs() <= FRONT_SEPARATION_DEG] = -math.inf
    return fronts_deg
