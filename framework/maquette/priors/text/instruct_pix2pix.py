"""InstructPix2Pix: Stable Diffusion that sees the picture to be changed, and is told what to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.config.capabilities import ANY_CAMERA, SOURCE_PICTURE, Capabilities, condition
from maquette.errors import ConfigError
from maquette.priors.base import Conditions, Prior, Request
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.priors.text.text_to_image import TextToImageConfig
from maquette.registry import register


@dataclass(frozen=True)
class Edit:
    """What to do, and with which picture.

    Args:
        text: embedding of the instruction, or of nothing.
        told: whether the picture is shown; where it is not, zeros are.
        picture: its latents, not scaled; None before it is known.
    """

    text: Float[Tensor, "B L D"]
    told: bool
    picture: Float[Tensor, "B C h w"] | None = None


@register("prior", "instruct-pix2pix")
class InstructPix2Pix(Prior):
    """Changes pictures as the prompt says: "make it a bronze statue".

    Its UNet takes the latents of the picture as it was beside the noisy ones. Conditions: "positive" is told
    instruction and picture, "image" the picture alone, "unconditional" neither; the score `cfg-two` weighs them. Which
    picture it is says whoever asks, see `about`.

    Source: Brooks et al. 2022 (arXiv 2211.09800), sec. 3.2.
    """

    @dataclass(frozen=True)
    class Config(TextToImageConfig):
        view_dependent: bool = False  # an instruction names no view

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        gives = (condition(name) for name in ("positive", "image", "unconditional"))
        return Capabilities(needs=frozenset({SOURCE_PICTURE}), gives=frozenset({ANY_CAMERA, *gives}))

    def __init__(self, config: Config) -> None:
        self._model = StableDiffusion(config)
        self.noise_schedule = self._model.noise_schedule
        self.device = self._model.device
        found, wanted = self._model.unet.config.in_channels, 2 * self._model.channels
        if found != wanted:
            raise ConfigError(
                f"the UNet of {config.path!r} takes {found} channels, and one that changes pictures takes {wanted}",
                key="prior.path", hint="give InstructPix2Pix weights, e.g. timbrooks/instruct-pix2pix",
            )  # fmt: skip

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        return self._model.encode(rgb)

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        return self._model.decode(latents)

    def condition(self, request: Request) -> Conditions:
        return _Edits(self._model.condition(request))

    @torch.no_grad()
    def about(self, conditions: Mapping[str, Edit], rgb: Float[Tensor, "B H W 3"]) -> dict[str, Edit]:
        latents = self._model.unscaled(self.encode(rgb))
        return {name: replace(edit, picture=latents) for name, edit in conditions.items()}

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, Edit],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        inputs = [torch.cat([noisy, _shown(edit)], dim=1) for edit in conditions.values()]
        texts = [edit.text for edit in conditions.values()]
        outputs = self._model.network(torch.cat(inputs), torch.cat([t] * len(texts)), torch.cat(texts))
        pieces = outputs.chunk(len(texts))
        return {name: self.noise_schedule.epsilon(out, noisy, t) for name, out in zip(conditions, pieces, strict=True)}


class _Edits(Conditions):
    """The texts of Stable Diffusion, without a picture yet."""

    def __init__(self, texts: Conditions) -> None:
        self._texts = texts

    def at(self, cameras: Cameras) -> dict[str, Any]:
        texts = self._texts.at(cameras)
        positive, unconditional = texts["positive"], texts["unconditional"]
        return {
            "positive": Edit(positive, told=True),
            "image": Edit(unconditional, told=True),
            "unconditional": Edit(unconditional, told=False),
        }


def _shown(edit: Edit) -> Float[Tensor, "B C h w"]:
    assert edit.picture is not None, "a prior that changes pictures is told which"
    return edit.picture if edit.told else torch.zeros_like(edit.picture)
