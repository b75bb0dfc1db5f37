"""A renderer of one random patch at full resolution and the rest of the picture at low resolution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Count, Pixels
from maquette.cameras.base import Cameras
from maquette.config.capabilities import Capabilities
from maquette.config.parts import RendererSpec
from maquette.errors import ConfigError
from maquette.randomness import Moment
from maquette.registry import register
from maquette.renderers.base import RaySampleValues, Renderer, Rendering, View

IMAGE_FIELDS = ("rgb", "opacity", "depth", "normal", "background", "latents")


@register("renderer", "patch")
class Patch(Renderer):
    """In training, a random patch is rendered at full resolution, the rest at low resolution and upsampled.

    The prior gets the whole picture, but gradients flow only through the patch, which bounds the cost of a step at any
    resolution. Samples, mesh and projections are those of the patch. Outside training, and where the picture is no
    larger than the patch, the base renderer renders everything.

    Source: threestudio's patch-renderer, which ProlificDreamer uses for 512 pixels in little memory.
    """

    @dataclass(frozen=True)
    class Config:
        base: RendererSpec  # renderer of the patch and of the rest
        size: Pixels = 128  # side of the patch in pixels
        downsample: Count = 4  # factor by which the rest is rendered smaller
        train_rest: bool = False  # let gradients flow through the rest as well

        def __post_init__(self) -> None:
            if self.base.name == "patch":
                raise ValueError("the base of a patch renderer draws whole pictures; it is no patch renderer itself")

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return config.base.capabilities

    def __init__(self, config: Config, bound: float) -> None:
        super().__init__()
        self.config = config
        self.base: Renderer = config.base.build(bound=bound)

    def update(self, geometry: Any, moment: Moment) -> None:
        self.base.update(geometry, moment)

    def render(self, geometry: Any, material: Any, background: Any, view: View) -> Rendering:
        cameras, draws = view.cameras, view.draws

        def render_base(some: Cameras) -> Rendering:
            return self.base.render(geometry, material, background, replace(view, cameras=some))

        height, width = min(self.config.size, cameras.height), min(self.config.size, cameras.width)
        if draws is None or (height, width) == (cameras.height, cameras.width):
            return render_base(cameras)
        top = int(draws.integers("patch-top", 0, cameras.height - height, 1))
        left = int(draws.integers("patch-left", 0, cameras.width - width, 1))
        with torch.set_grad_enabled(self.config.train_rest and torch.is_grad_enabled()):
            rest = render_base(self._downsampled_cameras(cameras))
        patch = render_base(cameras.cropped(top, left, height, width))
        images: dict[str, Any] = {
            name: _paste_patch(getattr(rest, name), getattr(patch, name), cameras, top, left)
            for name in IMAGE_FIELDS
            if getattr(patch, name) is not None
        }
        return replace(patch, **images, samples=_place_samples(patch.samples, patch.rgb.shape, cameras, top, left))

    def _downsampled_cameras(self, cameras: Cameras) -> Cameras:
        factor = self.config.downsample
        if cameras.height % factor or cameras.width % factor:
            raise ConfigError(
                f"pictures of {cameras.height} x {cameras.width} pixels cannot be drawn {factor} times smaller",
                key="renderer.downsample", hint="give a number that divides their sides",
            )  # fmt: skip
        return cameras.resized(cameras.height // factor, cameras.width // factor)


def _paste_patch(
    small: Float[Tensor, "B h w C"], patch: Float[Tensor, "B p q C"], cameras: Cameras, top: int, left: int
) -> Float[Tensor, "B H W C"]:
    """The small picture upsampled to the cameras' size, with the patch pasted in."""
    size = (cameras.height, cameras.width)
    picture = functional.interpolate(small.permute(0, 3, 1, 2), size, mode="bilinear").permute(0, 2, 3, 1).clone()
    picture[:, top : top + patch.shape[1], left : left + patch.shape[2]] = patch
    return picture


def _place_samples(
    samples: RaySampleValues | None, shape: torch.Size, cameras: Cameras, top: int, left: int
) -> RaySampleValues | None:
    """The patch's samples with ray indices of the whole picture."""
    if samples is None:
        return None
    row, column = torch.meshgrid(torch.arange(shape[1]) + top, torch.arange(shape[2]) + left, indexing="ij")
    first = torch.arange(shape[0])[:, None, None] * cameras.height * cameras.width
    pixel = (first + row * cameras.width + column).reshape(-1).to(samples.ray_index)
    return replace(samples, ray_index=pixel[samples.ray_index], rays=shape[0] * cameras.height * cameras.width)
