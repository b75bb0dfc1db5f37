"""The contract of a score."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor


class Score:
    """Combines noise predictions. `needs` names the conditions that a prior must give."""

    needs: frozenset[str]

    def combine(self, predictions: Mapping[str, Float[Tensor, "B C h w"]]) -> Float[Tensor, "B C h w"]:
        """One noise prediction out of those named in `needs`."""
        raise NotImplementedError
