"""The contract of a data set that a `train` stage draws from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.randomness import Draws


@dataclass(frozen=True)
class CaptionedImages:
    """A batch of images with the text that describes each.

    Args:
        images: [B, H, W, 3] floats in [0, 1].
        captions: B strings.
    """

    images: Float[Tensor, "B H W 3"]
    captions: Sequence[str]


class CaptionedDataset(Protocol):
    """Images with captions, drawn at random by key and held out by split."""

    def prepare(self, device: torch.device) -> None:
        """Make or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> CaptionedImages:
        """`size` training images, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> CaptionedImages:
        """`size` images of objects that `batch` never returns."""

    def words(self) -> Sequence[str]:
        """Every word that captions use, for building a tokenizer."""

    def sample_captions(self) -> Sequence[str]:
        """A fixed list of captions for the sample sheet."""
