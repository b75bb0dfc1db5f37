"""LPIPS between renderings and true pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from maquette.annotations import Fraction, WeightsPath
from maquette.losses.lpips import LPIPS, weights_file
from maquette.metrics._weights import pinned_hash
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.novel_views import true_views
from maquette.registry import register


@register("metric", "lpips")
class LpipsMetric(Metric):
    """LPIPS (VGG16, version 0.1) between renderings and the case's true pictures over one grey, mean over the pictures.

    Only the true pictures of the split "test" count if there are any. Figures of other networks (AlexNet) are others.

    Source: Zhang et al. 2018 (LPIPS, arXiv 1801.03924), eq. 1.
    """

    needs = ("views",)

    @dataclass(frozen=True)
    class Config:
        path: WeightsPath = (
            "timm/vgg16.tv_in1k"  # VGG16 trained on ImageNet: a file in torchvision's layout, or a hub name
        )
        sha256: str = ""  # of that file, as the facts of a record say; others are refused
        background: Fraction = 1.0  # grey value of the background that pictures are composited over

    def __init__(self, config: Config) -> None:
        self.config = config
        file = weights_file(config.path)
        self._sha256 = pinned_hash(str(file), config.sha256, "path")
        self._network = LPIPS(LPIPS.Config(path=str(file)))

    def directions(self) -> dict[str, Direction]:
        return {"distance": "lower"}

    @torch.no_grad()
    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Render from the true pictures' cameras and compare; see `Metric`."""
        truth = true_views(case)
        ours = subject.render_cameras(truth.cameras, normals=False).picture
        pairs = zip(ours.over(self.config.background), truth.picture.over(self.config.background), strict=True)
        distances = torch.stack([self._network.distance(one[None], other[None]) for one, other in pairs])
        return Measurement({"distance": float(distances.mean())}, {"views": len(distances), "sha256": self._sha256})
