"""A data set of red and blue pictures that are called so."""

from __future__ import annotations

import torch

from maquette.datasets.base import CaptionedImages
from maquette.randomness import Draws

COLORS = {"a red mug": (0.9, 0.1, 0.1), "a blue mug": (0.1, 0.1, 0.9)}


class TwoColors:
    """Pictures of one colour each, with some noise."""

    def __init__(self, size: int) -> None:
        self.size = size

    def prepare(self, device: torch.device) -> None:
        pass

    def batch(self, draws: Draws, size: int) -> CaptionedImages:
        captions = [list(COLORS)[i] for i in draws.integers("color", 0, 1, size).tolist()]
        colors = torch.tensor([COLORS[caption] for caption in captions])
        noise = 0.05 * draws.normal("noise", size, self.size, self.size, 3)
        return CaptionedImages((colors[:, None, None] + noise).clamp(0, 1), captions)

    held_out = batch

    def words(self) -> list[str]:
        return ["a", "red", "blue", "mug"]

    def sample_captions(self) -> list[str]:
        return list(COLORS)
