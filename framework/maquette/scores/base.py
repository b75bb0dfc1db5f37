"""The contract of a score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras

Base = Literal["unconditional", "text"]
"""From where a guidance scale counts; see `cfg`."""


class Score:
    """Combines noise predictions; light to build. `needs` names the conditions that a prior must give.

    A `noise_free` score leaves out the noise itself: what it gives is a direction, e_hat - e of the others. Objectives
    that compare a prediction with known noise take either; those that denoise step by step cannot use a direction.
    """

    needs: frozenset[str]
    noise_free: bool = False

    def combine(self, predictions: Mapping[str, Float[Tensor, "B C h w"]]) -> Float[Tensor, "B C h w"]:
        """One noise prediction (or direction) out of those named in `needs`."""
        raise NotImplementedError

    def combine_at(
        self,
        predictions: Mapping[str, Float[Tensor, "B C h w"]],
        share: Float[Tensor, "B 1 1 1"],
        cameras: Cameras,
    ) -> Float[Tensor, "B C h w"]:
        """The same at a known noise level and view; what objectives call. Scores that depend on these define it alone.

        Args:
            predictions: by condition.
            share: timestep over the number of timesteps, in [0, 1).
            cameras: B, those of the pictures.
        """
        return self.combine(predictions)
