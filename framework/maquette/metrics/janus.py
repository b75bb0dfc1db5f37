"""Janus: does an object show its front from more than one side?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from maquette.cameras.directions import wrap_deg
from maquette.export.base import Subject
from maquette.metrics.base import Case, Measurement, Metric
from maquette.perception.viewpoint_reader import ViewpointReader, azimuths_deg
from maquette.registry import register

APART_DEG = 90.0  # two fronts are two if they are farther apart than that


@register("metric", "janus")
class Janus(Metric):
    """Whether a reader of viewpoints, shown a scene from all around, sees its front from several sides.

    A view is a front view where the cosine of the azimuth, as read, exceeds `threshold`. Fronts are counted from the
    surest on, each with all that lies within 90 degrees of it; a scene with two or more has the problem. The values
    are "janus" and "no front", each 0 or 1 for a scene, and "view accuracy", the share of views whose azimuth is read
    within 45 degrees of where the camera stands. The facts are where the fronts are, and what was read of each view.

    Source: what is commonly judged by eye, e.g. Armandpour et al. 2023 (Perp-Neg, arXiv 2304.04968), sec. 5.
    """

    @dataclass(frozen=True)
    class Config:
        reader: str  # what the learner `viewpoint` saved: a plugin's name for it, or a folder
        views: int = 16  # azimuths, evenly spaced from the front
        elevation_deg: float = 15.0  # height of the camera above the horizon
        size: int = 64  # picture side in pixels
        threshold: float = math.cos(math.radians(45))  # least cosine of the azimuth of a front view

    def __init__(self, config: Config) -> None:
        self.config = config
        self.reader = ViewpointReader.load(config.reader)
        self.azimuth_deg = [360.0 * i / config.views for i in range(config.views)]

    def __call__(self, subject: Subject, case: Case) -> Measurement:
        """Render over white, read, count; see `Metric`."""
        views = subject.render(self.azimuth_deg, self.config.elevation_deg, self.config.size)
        return self.judge(views.picture.over(1.0).numpy(), self.azimuth_deg)

    def judge(self, rgb: np.ndarray, azimuth_deg: list[float]) -> Measurement:
        """Measure pictures [B, H, W, 3] in [0, 1] of one scene, seen from those azimuths, over white."""
        read = self.reader(torch.from_numpy(np.ascontiguousarray(rgb)).float())
        frontness, cameras_deg = read[:, 2], torch.tensor(azimuth_deg)
        found = fronts(frontness, cameras_deg, self.config.threshold)
        right = wrap_deg(azimuths_deg(read) - cameras_deg).abs() < 45
        values = {
            "janus": float(len(found) > 1),
            "no front": float(not found),
            "view accuracy": float(right.float().mean()),
        }
        facts = {"fronts_deg": found, "frontness": [round(value, 3) for value in frontness.tolist()]}
        return Measurement(values, facts)


def fronts(frontness: torch.Tensor, azimuth_deg: torch.Tensor, threshold: float) -> list[float]:
    """Azimuths of the separate fronts, the surest first.

    Example:
        >>> azimuth_deg = torch.tensor([0.0, 90.0, 180.0, 270.0])
        >>> fronts(torch.tensor([0.9, 0.8, 0.85, 0.1]), azimuth_deg, 0.7)
        [0.0, 180.0]
    """
    left, found = frontness.clone(), []
    while float(left.max()) > threshold:
        surest = azimuth_deg[int(left.argmax())]
        found.append(float(surest))
        left[wrap_deg(azimuth_deg - surest).abs() <= APART_DEG] = -math.inf
    return found
