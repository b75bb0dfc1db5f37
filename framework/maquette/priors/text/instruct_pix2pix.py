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
from maquette.priors.base import Conditions, Request
from maquette.priors.diffusion_prior import predict_each
from maquette.priors.text.over_stable_diffusion import OverStableDiffusion
from maquette.priors.text.text_to_image import TextToImageConfig
from maquette.registry import register


@dataclass(frozen=True)
class Edit:
    """What to do, and with which picture.

    Args:
        text: embedding of the instruction, or of nothing.
        shown: whether the model sees the picture; where it does not, it sees zeros.
        picture: its latents, not scaled; None before it is known.
    """

    text: Float[Tensor, "B L D"]
    shown: bool
    picture: Float[Tensor, "B C h w"] | None = None


@register("prior", "instruct-pix2pix")
class InstructPix2Pix(OverStableDiffusion):
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
        super().__init__(config)
        found, wanted = self.model.unet.config.in_channels, 2 * self.model.channels
        if found != wanted:
            raise ConfigError(
                f"the UNet of {config.path!r} takes {found} channels, and one that changes pictures takes {wanted}",
                key="prior.path", hint="give InstructPix2Pix weights, e.g. timbrooks/instruct-pix2pix",
            )  # fmt: skip

    def condition(self, request: Request) -> Conditions:
        return _Edits(self.model.condition(request))

    @torch.no_grad()
    def about(self, conditions: Mapping[str, Edit], rgb: Float[Tensor, "B H W 3"]) -> dict[str, Edit]:
        latents = self.model.pictures.unscaled(self.encode(rgb))
        return {name: replace(edit, picture=latents) for name, edit in conditions.items()}

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, Edit],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        def network(inputs: Tensor, all_t: Tensor, edits: list[Edit]) -> Tensor:
            pictures, texts = (torch.cat([_shown(edit) for edit in edits]), torch.cat([edit.text for edit in edits]))
            return self.model.network(torch.cat([inputs, pictures], dim=1), all_t, texts)

        return predict_each(conditions, noisy, t, self.noise_schedule, network)


class _Edits(Conditions):
    """The texts of Stable Diffusion, without a picture yet."""

    def __init__(self, texts: Conditions) -> None:
        self._texts = texts

    def at(self, cameras: Cameras) -> dict[str, Any]:
        texts = self._texts.at(cameras)
        positive, unconditional = texts["positive"], texts["unconditional"]
        return {
            "positive": Edit(positive, shown=True),
            "image": Edit(unconditional, shown=True),
            "unconditional": Edit(unconditional, shown=False),
        }


def _shown(edit: Edit) -> Float[Tensor, "B C h w"]:
    assert edit.picture is not None, "a prior that changes pictures is told which"
    return edit.picture if edit.shown else torch.zeros_like(edit.picture)
