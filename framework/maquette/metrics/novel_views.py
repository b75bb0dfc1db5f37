"""A metric of renderings from cameras from which the object is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maquette.annotations import Fraction
from maquette.data.formats import PosedImages
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.pictures import compare_pictures
from maquette.registry import register


@register("metric", "novel-views")
class NovelViews(Metric):
    """PSNR, SSIM and agreement of silhouettes between renderings and the case's true pictures, means over the pictures.

    Only the true pictures of the split "test" count if there are any. docs/metrics.md has the protocol.
    """

    needs = ("views",)

    @dataclass(frozen=True)
    class Config:
        background: Fraction = 1.0  # grey value of the background that pictures are composited over

    def __init__(self, config: Config) -> None:
        self.config = config

    def directions(self) -> dict[str, Direction]:
        return dict.fromkeys(["psnr", "ssim", "psnr_foreground", "silhouette_iou", "boundary_iou"], "higher")

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Render from the true pictures' cameras and compare; see `Metric`."""
        truth = true_views(case)
        ours = subject.render_cameras(truth.cameras, normals=False).picture
        rows = compare_pictures(ours, truth.picture, self.config.background)
        names = dict.fromkeys(name for row in rows for name in row)
        values = {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}
        return Measurement(values, {"views": len(rows), "size": list(truth.picture.size)})


def true_views(case: Case) -> PosedImages:
    """The true pictures that count: those of the split "test" if there are any.

    Raises:
        ConfigError: the case has no truth, or a file of it is broken.
    """
    truth = case.build_truth().views()
    return truth.select("test") if "test" in truth.split else truth
