"""InstructPix2Pix: Stable Diffusion that edits a picture by a text instruction."""

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
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.priors.text.text_to_image import TextToImageConfig
from maquette.registry import register


@dataclass(frozen=True)
class EditConditioning:
    """An instruction and the picture to edit.

    Args:
        text: embedding of the instruction, or of the empty text.
        uses_picture: whether the model is conditioned on the picture; if not, on zeros.
        picture: its latents, not scaled; None before `with_source_picture`.
    """

    text: Float[Tensor, "B L D"]
    uses_picture: bool
    picture: Float[Tensor, "B C h w"] | None = None


class EditingModel(StableDiffusion):
    """A Stable Diffusion whose UNet takes the latents of a picture beside the noisy ones."""

    def refuse_other_inputs(self) -> None:
        channels, expected = self.unet.config.in_channels, 2 * self.channels
        if channels != expected:
            raise ConfigError(
                f"the UNet of {self.config.path!r} takes {channels} channels, and one that edits pictures takes "
                f"{expected}", key="prior.path", hint="give InstructPix2Pix weights, e.g. timbrooks/instruct-pix2pix",
            )  # fmt: skip


@register("prior", "instruct-pix2pix")
class InstructPix2Pix(OverStableDiffusion):
    """Edits pictures by the instruction in the prompt, such as "make it a bronze statue".

    Its UNet takes the latents of the original picture concatenated to the noisy ones. Conditions: "positive" has
    instruction and picture, "image" the picture alone, "unconditional" neither; the score `cfg-two` combines them.
    The picture is given by `with_source_picture`.

    Source: Brooks et al. 2022 (arXiv 2211.09800), sec. 3.2.
    """

    model_class = EditingModel

    @dataclass(frozen=True)
    class Config(TextToImageConfig):
        view_dependent: bool = False  # an instruction has no view prompt

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        gives = (condition(name) for name in ("positive", "image", "unconditional"))
        return Capabilities(needs=frozenset({SOURCE_PICTURE}), gives=frozenset({ANY_CAMERA, *gives}))

    def condition(self, request: Request) -> Conditions:
        return _TextsWithoutPicture(self.model.condition(request))

    @torch.no_grad()
    def with_source_picture(
        self, conditions: Mapping[str, EditConditioning], rgb: Float[Tensor, "B H W 3"]
    ) -> dict[str, EditConditioning]:
        latents = self.model.codec.unscale(self.encode(rgb))
        return {name: replace(edit, picture=latents) for name, edit in conditions.items()}

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, EditConditioning],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        def network(inputs: Tensor, all_t: Tensor, edits: list[EditConditioning]) -> Tensor:
            pictures, texts = (torch.cat([_picture(edit) for edit in edits]), torch.cat([edit.text for edit in edits]))
            return self.model.network(torch.cat([inputs, pictures], dim=1), all_t, texts)

        return predict_each(conditions, noisy, t, self.noise_schedule, network)


class _TextsWithoutPicture(Conditions):
    """The texts of Stable Diffusion, without the picture to edit yet."""

    def __init__(self, texts: Conditions) -> None:
        self._texts = texts

    def at(self, cameras: Cameras) -> dict[str, Any]:
        texts = self._texts.at(cameras)
        positive, unconditional = texts["positive"], texts["unconditional"]
        return {
            "positive": EditConditioning(positive, uses_picture=True),
            "image": EditConditioning(unconditional, uses_picture=True),
            "unconditional": EditConditioning(unconditional, uses_picture=False),
        }


def _picture(edit: EditConditioning) -> Float[Tensor, "B C h w"]:
    assert edit.picture is not None, "InstructPix2Pix needs the picture to edit: call `with_source_picture` first"
    return edit.picture if edit.uses_picture else torch.zeros_like(edit.picture)
