"""The contract of a noise process."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor


class NoiseProcess(ABC):
    """A part of the kind `noise`: the noise levels of a variance-preserving process, in the place of a prior's own.

    A network is conditioned on the timestep and not on the level, so that weights fit the levels that they were trained
    on: another process is for weights that were tuned on it, or whose scheduler says something else than their training
    did. A closed-form prior is exact under any.
    """

    @abstractmethod
    def alphas_cumprod(self, own: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
        """alpha_t^2 of every timestep in [0, 1], never rising, in the dtype of `own`; sigma_t^2 = 1 - alpha_t^2.

        Args:
            own: those of the prior.
        """
