"""A metric of the view that the scene was made from."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from maquette.images.picture import Picture
from maquette.metrics._references import ReferenceView
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.pictures import compare_pictures
from maquette.registry import register


@register("metric", "refview")
class Refview(Metric):
    """PSNR, SSIM and agreement of silhouettes between the reference picture and the rendering from its camera.

    Both are composited over white and rounded to 8 bits, so that a perfect rendering has a PSNR of 100 dB. Version 2
    replaces the protocol of `refview-magic123`, which caps a perfect rendering. docs/metrics.md has the protocol.
    """

    needs_image = True
    version = 2

    @dataclass(frozen=True)
    class Config(ReferenceView):
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def directions(self) -> dict[str, Direction]:
        return dict.fromkeys(["psnr", "ssim", "psnr_foreground", "silhouette_iou", "boundary_iou"], "higher")

    def oracle(self, case: Case) -> MeasuredSubject:
        """The reference picture itself."""
        return self.config.subject(case)

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Render from the reference camera and compare; see `Metric`."""
        cameras, reference = self.config.read(case)
        ours = subject.render_cameras(cameras, normals=False).picture
        row = compare_pictures(eight_bits(ours), eight_bits(reference))[0]
        return Measurement(row, {"size": list(reference.size)})


def eight_bits(picture: Picture) -> Picture:
    """The picture over white in steps of 1/255, with its alpha beside it: color that `over(1.0)` leaves as it is.

    Example:
        >>> half = Picture(torch.zeros(1, 1, 1, 3), torch.full((1, 1, 1, 1), 0.5))
        >>> (255 * eight_bits(half).over(1.0)).round().flatten().tolist()
        [128.0, 128.0, 128.0]
    """
    levels = torch.round(255 * picture.over(1.0)) / 255
    return Picture.from_composited(levels, picture.alpha, 1.0)
