"""The image tower that gives One-2-3-45++ its global condition."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.perception.image_encoder import ImageEncoder


class Tower:
    """Embeddings of unit mean square by the frozen image tower of a CLIP; no part of what is trained or saved.

    Args:
        path: the name of CLIP weights that a plugin carries, a folder, or a hub name.
    """

    def __init__(self, path: str) -> None:
        self._encoder = ImageEncoder.load(path)
        self.width = self._encoder.width

    def to(self, device: torch.device) -> Tower:
        """Move the tower to a device, in place; returns itself."""
        self._encoder.to(device)
        return self

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B E"]:
        """Embeddings of pictures in [0, 1]."""
        return functional.normalize(self._encoder(images), dim=-1) * self.width**0.5
