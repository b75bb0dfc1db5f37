"""Near-view consistency: L1 difference between renderings from two nearby cameras."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Positive
from maquette.cameras.base import Cameras, look_at
from maquette.config.schedules import Schedule
from maquette.losses.base import Probe, RenderContext
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "near-view")
class NearView(Probe):
    """Near-view consistency: mean |y' - y| + mean |D' - D|, with y', D' rendered from a camera `radius` away.

    y is the rendered latents if there are any, else the color; D the depth composited over a background at distance
    `behind`. The camera is displaced in a random direction and keeps its look-at point.

    Source: the reconstruction in the code of Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), run_zero123.py and
    pose.py; weight 1e4 in its documented command, 1e5 in its classes.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1e4)  # for guidance with gradients summed over pixels
        radius: Positive = 0.05  # scene units
        behind: Positive = 10.0  # scene units

    config: Config

    def __call__(self, rendering: Rendering, context: RenderContext) -> Tensor:
        direction = functional.normalize(context.draws.normal("direction", len(context.cameras), 3), dim=-1)
        near = context.render(displace(context.cameras, self.config.radius * direction))
        images = (near.rgb, rendering.rgb)
        if near.latents is not None and rendering.latents is not None:
            images = (near.latents, rendering.latents)
        depths = (near.depth_over(self.config.behind), rendering.depth_over(self.config.behind))
        return functional.l1_loss(*images) + functional.l1_loss(*depths)


def displace(cameras: Cameras, offset: Float[Tensor, "B 3"]) -> Cameras:
    """Move cameras by `offset` and turn them to their old look-at point; lights keep their positions.

    The look-at point is on the viewing axis at the camera's `distance`. Azimuth, elevation and distance keep their old
    values.

    Example:
        >>> import torch
        >>> from maquette.cameras.base import orbit_cameras
        >>> one = torch.ones(1)
        >>> cameras = orbit_cameras(0 * one, 0 * one, 3 * one, 40 * one, 8)
        >>> displace(cameras, torch.tensor([[0.0, 3.0, 0.0]])).c2w[0, :3, 2]
        tensor([0.7071, 0.7071, 0.0000])
    """
    eye, up, backward = (cameras.c2w[:, :3, column] for column in (3, 1, 2))
    to = offset.to(eye)
    return replace(cameras, c2w=look_at(eye + to, eye - backward * cameras.distance[:, None].to(eye), up))
