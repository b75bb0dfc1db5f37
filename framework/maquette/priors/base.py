"""The contract of a prior: requests, conditions, noise prediction and trainable copies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from maquette.cameras.base import Cameras
from maquette.config.capabilities import Capabilities
from maquette.data.base import Reference
from maquette.diffusion.noise import NoiseSchedule
from maquette.registry import assigned

CopyKind = Literal["lora", "copy"]
"""Which weights of a trainable copy are trained: low-rank additions to the attention layers, or all weights."""


@dataclass(frozen=True)
class Request:
    """Text and pictures that describe the object to generate.

    Args:
        prompt: text.
        negative_prompt: text to steer away from; empty means the empty caption.
        references: pictures of the object with their cameras, for priors conditioned on pictures.
        words: files of textual inversion with learned words that the texts may use.
    """

    prompt: str
    negative_prompt: str = ""
    references: tuple[Reference, ...] = ()
    words: tuple[Path, ...] = ()


@dataclass(frozen=True)
class ControlInputs:
    """The rendering that a prior such as ControlNet is conditioned on, without gradients.

    Args:
        rgb: colour composited over the background, in [0, 1].
        opacity: coverage in [0, 1].
        depth: distance along the viewing axis, averaged over what is hit; 0 where nothing is hit.
        normal: in the camera's frame (x right, y up, z to the viewer), length at most 1; None if not rendered.
    """

    rgb: Float[Tensor, "B H W 3"]
    opacity: Float[Tensor, "B H W 1"]
    depth: Float[Tensor, "B H W 1"]
    normal: Float[Tensor, "B H W 3"] | None = None


class Conditions(ABC):
    """The named conditions of a request; `at(cameras)` gives them for a batch of cameras.

    Names in use, the same for every prior, so that any score can be combined with it:
        positive: the prompt with the view prompt of each camera, or with the camera itself as a condition.
        unconditional: the negative prompt; the empty text or picture if there is none.
        empty: the empty text or picture, whatever the negative prompt.
        interpolated: the prompt with view prompts blended from front to side to back by azimuth (`view_weights`).
        front, side: the prompt with the view prompt "front", and with that of the side nearest to the camera. For
            cameras overhead, which have no neighbouring view, both equal positive, so that Perp-Neg has no effect.
        image: of a prior that edits pictures: the picture without the instruction. There, positive has picture and
            instruction, and unconditional has neither.
        viewless: the prompt without a view prompt: the same for every camera, unless the prior takes cameras.
    """

    @abstractmethod
    def at(self, cameras: Cameras) -> dict[str, Any]:
        """Name -> conditions of B cameras, e.g. text embeddings [B, L, D]."""


class TrainableCopy(nn.Module, ABC):
    """A trainable model initialised from a prior; a checkpoint stores its parameters and buffers.

    It is created on the prior's device and stays there: `to` does not move it.
    """

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        return self  # what `to` and its kin do to each tensor

    @abstractmethod
    def forward(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        condition: Any,
        pose: Float[Tensor, "B 16"],
    ) -> Float[Tensor, "B C h w"]:
        """The model output in the prior's prediction type: the noise, v or the clean picture; differentiable.

        Args:
            condition: one value of the prior's `Conditions.at`.
            pose: camera-to-world matrices, row by row; zeros where the camera is dropped.
        """


class TrainableWord(nn.Module, ABC):
    """A new word of a prior's text encoder (textual inversion): only its embedding is trained.

    It stays on the prior's device, as a `TrainableCopy` does.

    Args:
        token: the word as it is spelt in prompts.
        start: initial embedding.
    """

    def __init__(self, token: str, start: Float[Tensor, " D"]) -> None:
        super().__init__()
        self.token = token
        self.start: Tensor
        self.register_buffer("start", start.clone())
        self.embedding = nn.Parameter(start.clone())

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        return self  # what `to` and its kin do to each tensor

    @abstractmethod
    def condition(self, texts: Sequence[str]) -> Any:
        """Texts -> the condition that `predict` takes, with gradients to the embedding.

        Raises:
            ConfigError: a text is so long that the word in it would be cut off.
        """

    @abstractmethod
    def forward(
        self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"], condition: Any
    ) -> Float[Tensor, "B C h w"]:
        """The model output in the prior's prediction type: the noise, v or the clean picture; differentiable."""


class Prior(ABC):
    """A frozen diffusion model that predicts the noise in pictures under named conditions.

    Arguments of all methods may be on any device; the prior moves them to its own.

    Attributes:
        views: how many consecutive pictures show one object and are encoded and decoded together.
        noise_schedule: its noise process.
        device: where it computes.
    """

    views: int = 1
    noise_schedule: NoiseSchedule
    device: torch.device

    @classmethod
    @abstractmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """What a prior with this config gives other parts, and what it needs of them.

        It gives the conditions it supports, each kind of `trainable_copy`, NEW_WORD if its text encoder can learn
        words, and ANY_CAMERA unless it supports fixed cameras only. It needs a REFERENCE if it generates novel views
        of a picture, a SOURCE_PICTURE if it edits pictures (`with_source_picture`), and the entries of the rendering
        that it is conditioned on (`with_control`).
        """

    @classmethod
    def lacks(cls) -> list[str]:
        """What a subclass lacks to be registered, apart from abstract methods."""
        return [f"a value for self.{name}" for name in ("noise_schedule", "device") if not assigned(cls, name)]

    @cached_property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of what the model denoises of each picture."""
        with torch.no_grad():
            _, channels, height, width = self.encode(torch.zeros(self.views, 8, 8, 3)).shape
        return channels, height, width

    @abstractmethod
    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        """Pictures in [0, 1] -> latents or pixels that the model denoises; differentiable."""

    @abstractmethod
    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        """Latents or pixels that the model denoises -> pictures in [0, 1]."""

    @abstractmethod
    def condition(self, request: Request) -> Conditions:
        """Compute the conditions of a request, once per run."""

    def with_source_picture(self, conditions: Mapping[str, Any], rgb: Float[Tensor, "B H W 3"]) -> dict[str, Any]:
        """Conditions with the pictures to edit added; a prior that does not edit pictures returns them unchanged."""
        return dict(conditions)

    def with_control(self, conditions: Mapping[str, Any], inputs: ControlInputs) -> dict[str, Any]:
        """Conditions with the rendering added; a prior that is not conditioned on it returns them unchanged."""
        return dict(conditions)

    @abstractmethod
    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, Any],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        """Name -> noise prediction under that condition, converted from the model's prediction type.

        Args:
            noisy: z_t of B pictures.
            t: timestep of each picture.
            conditions: by name, as `Conditions.at` gives them.
            cameras: B, those of the pictures.
        """

    def trainable_copy(self, kind: CopyKind, rank: int) -> TrainableCopy:
        """A trainable copy initialised from this prior, which itself stays frozen.

        Args:
            kind: one that `capabilities` lists.
            rank: rank of the low-rank additions, for kind "lora".
        """
        raise TypeError(f"{type(self).__name__} makes no trainable copy")

    def trainable_word(self, token: str, meaning: str) -> TrainableWord:
        """A trainable word whose embedding is initialised with the mean embedding of the tokens of `meaning`.

        Args:
            token: the word as it is spelt in prompts; it must be new to the text encoder.
            meaning: words; empty: the mean over the whole vocabulary.
        """
        raise TypeError(f"{type(self).__name__} cannot be taught a word")
