"""A metric of the consistency of a scene's views with each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Count, Positive
from maquette.cameras.base import Cameras
from maquette.metrics._ring import Ring
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.pictures import COVERED
from maquette.registry import register
from maquette.scene import RenderedViews

NEAR, FAR = 0.1, 100.0  # of the projection, which only fixes a depth that is not read


@register("metric", "reprojection")
class Reprojection(Metric):
    """Agreement of neighbouring views: pixels are moved into the next view by their depth, and compared there.

    A point that lies in front of all that the next view sees around it, by more than `tolerance`, is inconsistent:
    "inconsistent" is the fraction of the points that are not hidden there. "color" is the mean absolute difference of
    the colours of the points that both views see. Where no point is seen twice, "inconsistent" is 1 and "color" is
    missing, so that blur and noise do not pass for consistency.

    Source: photo-consistency, Seitz and Dyer 1999, "Photorealistic scene reconstruction by voxel coloring", sec. 2.
    """

    @dataclass(frozen=True)
    class Config(Ring):
        views: Count = 12  # azimuths, evenly spaced from the front
        tolerance: Positive = 0.03  # of depths, scene units

    def __init__(self, config: Config) -> None:
        self.config = config

    def directions(self) -> dict[str, Direction]:
        return {"color": "lower", "inconsistent": "lower"}

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Render, move, compare; see `Metric`."""
        config, cameras = self.config, self.config.cameras()
        views = subject.render_cameras(cameras, normals=False)
        if views.depth is None:
            return Measurement({"inconsistent": 1.0}, {"problem": "the renderings have no depth"})
        pairs = [_pair(views, cameras, i, (i + 1) % config.views, config.tolerance) for i in range(config.views)]
        differences, seen_through = (torch.cat(column) for column in zip(*pairs, strict=True))
        visible = len(differences) + int(seen_through.sum())
        values = {"inconsistent": int(seen_through.sum()) / visible if len(differences) else 1.0}
        if len(differences):
            values["color"] = float(differences.mean())
        return Measurement(values, {"points": visible})


def _pair(views: RenderedViews, cameras: Cameras, i: int, j: int, tolerance: float) -> tuple[Tensor, Tensor]:
    """Of the points of view i: differences of colour [n] of those that view j sees, and whether it sees through [m]."""
    assert views.depth is not None
    here, there = cameras[i : i + 1], cameras[j : j + 1]
    origins, directions = here.rays()
    covered = views.picture.alpha[i, ..., 0] > COVERED
    points = (origins + directions * views.depth[i])[0][covered]
    clip = there.clip_positions(points, NEAR, FAR)[0]
    at = torch.stack([clip[:, 0], -clip[:, 1]], -1) / clip[:, 3:]
    inside = (clip[:, 3] > 0) & (at.abs() < 1).all(-1)
    points, at = points[inside], at[inside]
    visible_depth = torch.where(views.picture.alpha[j] > COVERED, views.depth[j], torch.inf)
    nearest = sample_at(_least_around(visible_depth), at, "nearest")[:, 0]
    distance = (points - there.c2w[0, :3, 3]).norm(dim=-1)
    through = distance < nearest - tolerance
    both = (distance - sample_at(visible_depth, at, "nearest")[:, 0]).abs() <= tolerance
    ours = views.picture.color[i][covered][inside][both]
    theirs = sample_at(views.picture.color[j] * views.picture.alpha[j], at[both], "bilinear")
    weight = sample_at(views.picture.alpha[j], at[both], "bilinear").clamp(min=COVERED)
    return (ours - theirs / weight).abs().mean(-1), through


def _least_around(values: Tensor) -> Tensor:
    """The least of the values [H, W, 1] of a pixel and its eight neighbours: at silhouettes depths are steep."""
    return -functional.max_pool2d(-values.permute(2, 0, 1)[None], 3, 1, 1)[0].permute(1, 2, 0)


def sample_at(values: Float[Tensor, "H W C"], at: Float[Tensor, "n 2"], mode: str) -> Float[Tensor, "n C"]:
    """Values at places in [-1, 1], right and down; `mode` is that of `torch.nn.functional.grid_sample`."""
    grid = functional.grid_sample(values.permute(2, 0, 1)[None], at[None, None], mode=mode, align_corners=False)
    return grid[0, :, 0].T
