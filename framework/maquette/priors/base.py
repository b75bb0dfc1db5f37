"""The contract of a prior, and the algebra of noise levels that every prior shares."""

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


class Conditions(ABC):
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

    @abstractmethod
    def at(self, cameras: Cameras) -> dict[str, Any]:
        """Name -> condition of each camera's picture, e.g. embeddings [B, L, D]."""


class TrainableCopy(nn.Module, ABC):
    """A model that begins as a prior and learns. Its parameters and buffers are all that a checkpoint needs of it.

    It is made on the prior's device and stays there, wherever the stage that trains it computes.
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
            condition: one of those that the prior gives.
            pose: camera-to-world matrices, row by row; zeros where the camera is not told.
        """


class TrainableWord(nn.Module, ABC):
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

    @abstractmethod
    def condition(self, texts: Sequence[str]) -> Any:
        """What the prior's `predict` takes for each of these texts; differentiable."""

    @abstractmethod
    def forward(
        self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"], condition: Any
    ) -> Float[Tensor, "B C h w"]:
        """The model output in the prior's prediction type: the noise, v or the clean picture; differentiable."""


class Prior(ABC):
    """A frozen diffusion model behind one face.

    Args of all methods are on any device; the prior moves them to its own. `views`: how many consecutive pictures show
    one object and are encoded and decoded together; `noise_schedule` is its noise process.
    """

    views: int = 1
    noise_schedule: NoiseSchedule
    device: torch.device

    @classmethod
    @abstractmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """What it gives, and what it needs of the stage.

        It gives each `condition` that means something with this config, each kind of `trainable_copy`, NEW_WORD if its
        text encoder can be taught one, and ANY_CAMERA unless it knows views from cameras of its own alone. It needs a
        REFERENCE if it continues a picture, a SOURCE_PICTURE if it changes one (see `about`), and the entries of the
        rendering that it goes by (see `watch`).
        """

    @classmethod
    def lacks(cls) -> list[str]:
        """What keeps a subclass from being registered, beside abstract methods."""
        return [f"a value for self.{name}" for name in ("noise_schedule", "device") if not assigned(cls, name)]

    @cached_property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of what the model denoises of each picture, found once by encoding some."""
        with torch.no_grad():
            _, channels, height, width = self.encode(torch.zeros(self.views, 8, 8, 3)).shape
        return channels, height, width

    @abstractmethod
    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        """Pictures in [0, 1] -> what the model denoises; differentiable."""

    @abstractmethod
    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        """The inverse of `encode`, as far as there is one."""

    @abstractmethod
    def condition(self, request: Request) -> Conditions:
        """Prepare the conditions of a request, once per run."""

    def about(self, conditions: Mapping[str, Any], rgb: Float[Tensor, "B H W 3"]) -> dict[str, Any]:
        """The same conditions, told the pictures that are to be changed; of use to a prior that changes them."""
        return dict(conditions)

    def watch(self, conditions: Mapping[str, Any], sight: Sight) -> dict[str, Any]:
        """The same conditions, told what the pictures to be judged show; of use to a prior that goes by it."""
        return dict(conditions)

    @abstractmethod
    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, Any],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        """The noise that the model sees in `noisy` under each condition, whatever it was trained to predict."""

    def trainable_copy(self, kind: CopyKind, rank: int) -> TrainableCopy:
        """A copy that begins as this prior and can be trained; the prior itself stays as it is.

        Args:
            kind: one of those that it gives.
            rank: of the additions of kind "lora".
        """
        raise TypeError(f"{type(self).__name__} makes no trainable copy")

    def trainable_word(self, token: str, meaning: str) -> TrainableWord:
        """A word that begins as the mean of the embeddings of what `meaning` is made of.

        Args:
            token: how it is to be spelt; new to the text encoder.
            meaning: words; empty: the mean of all that there are.
        """
        raise TypeError(f"{type(self).__name__} cannot be taught a word")
