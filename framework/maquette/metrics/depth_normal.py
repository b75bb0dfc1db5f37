"""A metric of depths and normals beside those of the true surface."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from maquette.metrics._ring import Ring
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.pictures import COVERED
from maquette.metrics.subjects import mesh_scene
from maquette.registry import register


@register("metric", "depth-normal")
class DepthNormal(Metric):
    """Errors of depth and of normals in views from around, at the pixels that scene and true surface both cover.

    "depth" is the mean absolute difference of the distances along the rays, in scene units; "normal_deg" the mean angle
    between the normals. Where they have no pixel in common, or a rendering has no depth or normals, the figure is
    missing.

    Source: Eigen et al. 2014 (arXiv 1406.2283) for the mean absolute error of depths, without its scale; Eigen and
    Fergus 2015 (arXiv 1411.4734), sec. 6.2, for the mean angle.
    """

    needs = ("surface",)

    @dataclass(frozen=True)
    class Config(Ring):
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def directions(self) -> dict[str, Direction]:
        return {"depth": "lower", "normal_deg": "lower"}

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Render both and compare; see `Metric`."""
        cameras = self.config.cameras()
        ours, true = (each.render_cameras(cameras) for each in (subject, mesh_scene(case.build_truth().surface())))
        both = ((ours.picture.alpha > COVERED) & (true.picture.alpha > COVERED))[..., 0]
        values: dict[str, float] = {}
        if bool(both.any()):
            if ours.depth is not None and true.depth is not None:
                values["depth"] = float((ours.depth - true.depth)[both].abs().mean())
            if ours.normal is not None and true.normal is not None:
                pair = (functional.normalize(each[both], dim=-1) for each in (ours.normal, true.normal))
                cosine = (next(pair) * next(pair)).sum(-1).clamp(-1, 1)
                values["normal_deg"] = float(torch.rad2deg(torch.arccos(cosine)).mean())
        return Measurement(values, {"pixels": int(both.sum())})
