"""What is seen should change little from a camera to one nearby."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.cameras.base import Cameras, look_at
from maquette.config.schedules import Schedule
from maquette.losses.base import Probe, Surroundings
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "near-view")
class NearView(Probe):
    """mean |y' - y| + mean |D' - D|, with y', D' drawn from a camera `radius` away in a random direction.

    y is the rendering's latents, where it has them, or else its colours; D the depth before a background at distance
    `behind`. The camera keeps looking at the same point.

    Source: the reconstruction in the code of Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), run_zero123.py and
    pose.py; its documented command weighs it by 1e4, its classes by 1e5.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1e4)  # beside a score whose gradient is summed over pixels
        radius: float = 0.05  # scene units
        behind: float = 10.0  # scene units

        def __post_init__(self) -> None:
            if self.radius <= 0:
                raise ValueError(f"radius is positive, not {self.radius}")

    config: Config

    def __call__(self, rendering: Rendering, around: Surroundings) -> Tensor:
        direction = functional.normalize(around.draws.normal("direction", len(around.cameras), 3), dim=-1)
        near = around.render(moved(around.cameras, self.config.radius * direction))
        seen = (near.rgb, rendering.rgb)
        if near.latents is not None and rendering.latents is not None:
            seen = (near.latents, rendering.latents)
        depths = (near.depth_over(self.config.behind), rendering.depth_over(self.config.behind))
        return functional.l1_loss(*seen) + functional.l1_loss(*depths)


def moved(cameras: Cameras, offset: Float[Tensor, "B 3"]) -> Cameras:
    """Cameras displaced by `offset`, turned to the point that they looked at; lights stay where they are.

    That point lies on the viewing axis at the camera's `distance`. Where they stand on their orbits is not told anew.

    Example:
        >>> import torch
        >>> from maquette.cameras.base import orbit_cameras
        >>> one = torch.ones(1)
        >>> moved(orbit_cameras(0 * one, 0 * one, 3 * one, 40 * one, 8), torch.tensor([[0.0, 3.0, 0.0]])).c2w[0, :3, 2]
        tensor([0.7071, 0.7071, 0.0000])
    """
    eye, up, backward = (cameras.c2w[:, :3, column] for column in (3, 1, 2))
    to = offset.to(eye)
    return replace(cameras, c2w=look_at(eye + to, eye - backward * cameras.distance[:, None].to(eye), up))
