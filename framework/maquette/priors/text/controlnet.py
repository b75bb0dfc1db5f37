"""ControlNet: Stable Diffusion conditioned on the depth, normals or edges of the rendering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from maquette.annotations import WeightsPath
from maquette.cameras.base import Cameras
from maquette.config.capabilities import RENDERED_COLOR, RENDERING, Capabilities
from maquette.errors import ConfigError
from maquette.priors.base import Conditions, ControlInputs, CopyKind, Request
from maquette.priors.diffusion_prior import predict_each
from maquette.priors.text.control_pictures import Canny, canny_picture, depth_picture, normal_picture
from maquette.priors.text.over_stable_diffusion import OverStableDiffusion
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.priors.text.text_to_image import TextToImageConfig
from maquette.priors.text.unet_copies import UNetCopy
from maquette.registry import register
from maquette.weights.diffusers_folder import Weights, arithmetic, run_unet
from maquette.weights.loading import check_path

Control = Literal["depth", "normal", "canny"]


@dataclass(frozen=True)
class ControlConditioning:
    """A text and a control image.

    Args:
        text: embedding.
        picture: control image in [0, 1]; None before `with_control`.
    """

    text: Float[Tensor, "B L D"]
    picture: Float[Tensor, "B 3 H W"] | None = None


@register("prior", "controlnet")
class ControlNet(OverStableDiffusion):
    """Stable Diffusion 1.x with a ControlNet on a control image computed from the rendering.

    The control image is the same under all conditions, with the text and without, and has no gradient.

    Source: Zhang et al. 2023 (arXiv 2302.05543), sec. 3; the control images: `control_pictures`.
    """

    @dataclass(frozen=True)
    class Config(TextToImageConfig):
        controlnet: WeightsPath = field(
            kw_only=True
        )  # folder, name of weights that a plugin carries, or hub repository
        control: Control = field(kw_only=True)  # control image that the ControlNet was trained on
        scale: float = 1.0  # conditioning scale of the features that it adds to the UNet's
        canny: Canny = field(default_factory=Canny)

        def __post_init__(self) -> None:
            super().__post_init__()
            check_path(self.controlnet)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        rendered = RENDERED_COLOR if config.control == "canny" else f"{RENDERING}:{config.control}"
        return StableDiffusion.capabilities(config).needing(rendered)

    def __init__(self, config: Config) -> None:
        from diffusers import ControlNetModel

        super().__init__(config)
        self.config = config
        self._control: Any = Weights(config.controlnet, key="prior.controlnet").load_network(ControlNetModel, "")
        for name in ("cross_attention_dim", "block_out_channels"):
            control_value, unet_value = self._control.config[name], self.model.unet.config[name]
            if control_value != unet_value:
                raise ConfigError(
                    f"the {name} of {config.controlnet!r} is {control_value}, and that of {config.path!r} {unet_value}",
                    key="prior.controlnet", hint="it is for another family of models",
                )  # fmt: skip
        self._control.to(self.device, memory_format=torch.channels_last)

    def condition(self, request: Request) -> Conditions:
        return _TextsWithoutControl(self.model.condition(request))

    @torch.no_grad()
    def with_control(
        self, conditions: Mapping[str, ControlConditioning], inputs: ControlInputs
    ) -> dict[str, ControlConditioning]:
        picture = self._control_picture(inputs).to(self.device).permute(0, 3, 1, 2)
        size = (self.model.size, self.model.size)
        if picture.shape[-2:] != size:
            picture = interpolate(picture, size, mode="bilinear", antialias=True)
        return {name: replace(condition, picture=picture) for name, condition in conditions.items()}

    def _control_picture(self, inputs: ControlInputs) -> Float[Tensor, "B H W 3"]:
        if self.config.control == "canny":
            return canny_picture(inputs, self.config.canny)
        return depth_picture(inputs) if self.config.control == "depth" else normal_picture(inputs)

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, ControlConditioning],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        def network(inputs: Tensor, all_t: Tensor, each: list[ControlConditioning]) -> Tensor:
            batch = ControlConditioning(
                torch.cat([one.text for one in each]), torch.cat([_picture(one) for one in each])
            )
            text, conditioning = self._unet_inputs(inputs, all_t, batch)
            output = run_unet(self.model.unet, inputs, all_t, text, self.model.dtype, **conditioning)
            return output[:, : self.model.channels]

        return predict_each(conditions, noisy, t, self.noise_schedule, network)

    @torch.no_grad()
    def _unet_inputs(
        self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"], condition: ControlConditioning
    ) -> tuple[Float[Tensor, "B L D"], dict[str, Any]]:
        """The text, and the residuals that the ControlNet adds to the UNet's features."""
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        with arithmetic(self.device, self.model.dtype):
            down, middle = self._control(
                noisy, t, condition.text, _picture(condition), self.config.scale, return_dict=False
            )
        return condition.text, {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    def trainable_copy(self, kind: CopyKind, rank: int) -> UNetCopy:
        model = self.model
        return UNetCopy(model.unet, model.channels, kind, rank, model.dtype, self._unet_inputs)


class _TextsWithoutControl(Conditions):
    """The texts of Stable Diffusion, without a control image yet."""

    def __init__(self, texts: Conditions) -> None:
        self._texts = texts

    def at(self, cameras: Cameras) -> dict[str, Any]:
        return {name: ControlConditioning(text) for name, text in self._texts.at(cameras).items()}


def _picture(condition: ControlConditioning) -> Float[Tensor, "B 3 H W"]:
    assert condition.picture is not None, "ControlNet needs a control image: call `with_control` first"
    return condition.picture
