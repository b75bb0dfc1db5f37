"""A metric of renderings from cameras from which the object is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maquette.annotations import Fraction
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.pictures import compare_pictures
from maquette.registry import register


@register("metric", "novel-views")
class NovelViews(Metric):
    """PSNR, SSIM and silhouette IoU between renderings and the case's true pictures, means over the pictures.

    Only the true pictures of the split "test" count if there are any. docs/metrics.md has the protocol.
    """

    needs = ("views",)

    @dataclass(frozen=True)
    class Config:
        background: Fraction = 1.0  # grey value of the background that pictures are composited over

    def __init__(self, config: Config) -> None:
        self.config = config

    def directions(self) -> dict[str, Direction]:
        return {"psnr": "higher", "ssim": "higher", "silhouette_iou": "higher"}

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Render from the true pictures' cameras and compare; see `Metric`."""
        truth = case.build_truth().views()
        truth = truth.select("test") if "test" in truth.split else truth
        ours = subject.render_cameras(truth.cameras, normals=False).picture
        rows = compare_pictures(ours, truth.picture, self.config.background)
        values = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        return Measurement(values, {"views": len(rows), "size": list(truth.picture.size)})
