"""Magic123's metric of the reference view, with its error, to compare with its published figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Fraction, Pixels
from maquette.images.decoding import decode_picture
from maquette.images.reading import rgba_of
from maquette.images.resampling import area_mean
from maquette.metrics._references import ReferenceView
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.pictures import psnr
from maquette.registry import register

SIDE = 800  # pixels, to which both pictures are squashed


@register("metric", "refview-magic123")
class RefviewMagic123(Metric):
    """PSNR of the reference view as Magic123 published it, which caps a perfect rendering at about 25 dB.

    The reference keeps its raw colours under soft alpha and is white only where alpha is 0; the rendering is composited
    over white. Both are squashed to 800 x 800 pixels by area averaging and rounded to 8 bits. On NeRF4 the picture
    itself scores 25.13 dB: for comparison with published figures alone; rank by `refview`.

    Source: Qian et al. 2023 (Magic123, arXiv 2306.17843), table 1; its code, all_metrics/metric_utils.py, PSNRMeter.
    """

    needs_image = True
    protocol = "refview.magic123"

    @dataclass(frozen=True)
    class Config(ReferenceView):
        fill: Fraction = 0.0  # the framing is kept
        size: Pixels = SIDE  # side of the rendering in pixels

    def __init__(self, config: Config) -> None:
        self.config = config

    def directions(self) -> dict[str, Direction]:
        return {"psnr": "higher"}

    def oracle(self, case: Case) -> MeasuredSubject:
        """The reference picture itself."""
        return self.config.subject(case)

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Render from the reference camera and compare; see `Metric`."""
        cameras, _ = self.config.read(case)
        ours = subject.render_cameras(cameras, normals=False).picture.over(1.0)[0]
        return Measurement({"psnr": magic123_psnr(ours, Path(case.image))}, {"side": SIDE})


def magic123_psnr(ours: Float[Tensor, "H W 3"], reference: Path) -> float:
    """PSNR in dB of a rendering over white beside a reference picture, by Magic123's code.

    Args:
        ours: in [0, 1]; rounded to 8 bits, as it is saved before it is measured.
        reference: file with an alpha channel.
    """
    rgba = torch.from_numpy(np.asarray(rgba_of(decode_picture(reference).image), np.float32))
    truth = torch.where(rgba[..., 3:] == 0, 255.0, rgba[..., :3])
    return psnr(_squashed(torch.round(255 * ours)) / 255, _squashed(truth) / 255)


def _squashed(levels: Float[Tensor, "H W 3"]) -> Float[Tensor, "800 800 3"]:
    """Levels from 0 to 255 by area averaging, rounded."""
    height, width = levels.shape[:2]
    step, center = (height / SIDE, width / SIDE), (height / 2, width / 2)
    mean, _ = area_mean(levels[None], torch.ones_like(levels[None, ..., :1]), center, step, (SIDE, SIDE))
    return torch.round(mean[0])
