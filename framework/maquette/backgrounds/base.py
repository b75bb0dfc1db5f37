"""The contract of a background."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from maquette.randomness import Draws


class Background(nn.Module):
    """Colour by viewing direction."""

    def forward(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W 3"]:
        """Colours in [0, 1] for unit directions; `draws` is None outside training."""
        raise NotImplementedError
