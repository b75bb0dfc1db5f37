"""The contract of a prior, and the algebra of noise levels that every prior shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from maquette.cameras.base import Cameras
from maquette.data.base import Reference
from maquette.diffusion.noise import NoiseSchedule

CopyKind = Literal["lora", "copy"]
"""What of a trainable copy is trained: low-rank additions to the attention layers, or everything."""


@dataclass(frozen=True)
class Request:
    """What is to be made.

    Args:
        prompt: text.
        negative_prompt: what to steer away from; empty means the empty caption.
        references: what it looks like from some sides, for priors that continue a picture or several.
        words: files of textual inversion, with words that were learned for it and that the texts may use.
    """

    prompt: str
    negative_prompt: str = ""
    references: tuple[Reference, ...] = ()
    words: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Sight:
    """What a rendering shows, for priors that go by more than what they denoise. Without gradients.

    Args:
        rgb: colour over the background, in [0, 1].
        opacity: coverage in [0, 1].
        depth: distance along the viewing axis, averaged over what is hit; 0 where nothing is.
        normal: in the camera's frame (x right, y up, z to the viewer), length at most 1; None where not drawn.
    """

    rgb: Float[Tensor, "B H W 3"]
    opacity: Float[Tensor, "B H W 1"]
    depth: Float[Tensor, "B H W 1"]
    normal: Float[Tensor, "B H W 3"] | None = None


class Conditions:
    """Named conditions of a request; `at(cameras)` picks those that fit each view.

    Names in use, so that any score finds them whatever the prior:
        positive: what is wanted, as seen by each camera: with the words of its view, or with the camera itself.
        unconditional: what to steer away from: the negative prompt, or nothing in particular.
        empty: nothing in particular, whatever the negative prompt.
        interpolated: like positive, but going over from front to side to back with the azimuth (`view_shares`).
        front, side: what is wanted, seen from the front, and from the side that is nearest to the camera. Where no
            view is a neighbour, as from above, both are the positive one, so that scores which set them off
            against it do nothing.
        image: of a prior that changes pictures: told the picture, and not what to change. There, positive is told both,
            and unconditional neither.
        viewless: what is wanted, with no word on the view: the same for every camera, unless the prior is told cameras.
    """

    def at(self, cameras: Cameras) -> dict[str, Any]:
        """Name -> condition of each camera's picture, e.g. embeddings [B, L, D]."""
        raise NotImplementedError


class TrainableCopy(nn.Module):
    """A model that begins as a prior and learns. Its parameters and buffers are all that a checkpoint needs of it.

    It is made on the prior's device and stays there, wherever the stage that trains it computes.
    """

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        return self  # what `to` and its kin do to each tensor

    def forward(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        condition: Any,
        pose: Float[Tensor, "B 16"],
    ) -> Float[Tensor, "B C h w"]:
        """The model output in the prior's prediction type: the noise, v or the clean picture; differentiable.

        Args:
            condition: one of those that the prior gives.
            pose: camera-to-world matrices, row by row; zeros where the camera is not told.
        """
        raise NotImplementedError


class TrainableWord(nn.Module):
    """A word that a prior's text encoder does not have. Its embedding learns; nothing else of the prior does.

    It stays on the prior's device, as a `TrainableCopy` does.

    Args:
        token: how it is spelt.
        start: the embedding it begins with.
    """

    def __init__(self, token: str, start: Float[Tensor, " D"]) -> None:
        super().__init__()
        self.token = token
        self.start: Tensor
        self.register_buffer("start", start.clone())
        self.embedding = nn.Parameter(start.clone())

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        return self  # what `to` and its kin do to each tensor

    def condition(self, texts: Sequence[str]) -> Any:
        """What the prior's `predict` takes for each of these texts; differentiable."""
        raise NotImplementedError

    def forward(
        self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"], condition: Any
    ) -> Float[Tensor, "B C h w"]:
        """The model output in the prior's prediction type: the noise, v or the clean picture; differentiable."""
        raise NotImplementedError


class Prior:
    """A frozen diffusion model behind one face.

    Args of all methods are on any device; the prior moves them to its own.
    `gives` names the conditions it can provide, `copies` the kinds of trainable copies; `learns_words`: its text
    encoder can be taught new ones; `edits`: it changes pictures, and has to be told which; `wants_reference`: it
    continues a picture, so that a request without one is of no use; `views`: how many consecutive pictures show one
    object and are encoded and decoded together; `fixed_views`: it knows these from cameras of its own alone;
    `noise_schedule` is its noise process.
    """

    gives: frozenset[str]
    copies: frozenset[str] = frozenset()
    learns_words: bool = False
    edits: bool = False
    wants_reference: bool = False
    views: int = 1
    fixed_views: bool = False
    noise_schedule: NoiseSchedule
    device: torch.device

    @classmethod
    def given(cls, config: Any) -> frozenset[str]:
        """Which of the conditions it `gives` mean something with this config."""
        return cls.gives

    @classmethod
    def at_one_level(cls, config: Any) -> int:
        """How many consecutive pictures, those of one object, have to be shown under one noise level."""
        return cls.views

    @classmethod
    def watches(cls, config: Any) -> frozenset[str]:
        """Entries of a `Sight` that a prior made from this config goes by; see `watch`."""
        return frozenset()

    @cached_property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of what the model denoises of each picture, found once by encoding some."""
        with torch.no_grad():
            _, channels, height, width = self.encode(torch.zeros(self.views, 8, 8, 3)).shape
        return channels, height, width

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        """Pictures in [0, 1] -> what the model denoises; differentiable."""
        raise NotImplementedError

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        """The inverse of `encode`, as far as there is one."""
        raise NotImplementedError

    def condition(self, request: Request) -> Conditions:
        """Prepare the conditions of a request, once per run."""
        raise NotImplementedError

    def about(self, conditions: Mapping[str, Any], rgb: Float[Tensor, "B H W 3"]) -> dict[str, Any]:
        """The same conditions, told the pictures that are to be changed; of use to a prior that `edits`."""
        return dict(conditions)

    def watch(self, conditions: Mapping[str, Any], sight: Sight) -> dict[str, Any]:
        """The same conditions, told what the pictures to be judged show; of use to a prior that `watches`."""
        return dict(conditions)

    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, Any],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        """The noise that the model sees in `noisy` under each condition, whatever it was trained to predict."""
        raise NotImplementedError

    def trainable_copy(self, kind: CopyKind, rank: int) -> TrainableCopy:
        """A copy that begins as this prior and can be trained; the prior itself stays as it is.

        Args:
            kind: one of `copies`.
            rank: of the additions of kind "lora".
        """
        raise NotImplementedError

    def trainable_word(self, token: str, meaning: str) -> TrainableWord:
        """A word that begins as the mean of the embeddings of what `meaning` is made of.

        Args:
            token: how it is to be spelt; new to the text encoder.
            meaning: words; empty: the mean of all that there are.
        """
        raise NotImplementedError
