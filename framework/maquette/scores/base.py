"""The contract of a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.config.capabilities import NOISE_PREDICTION, Capabilities, condition

Base = Literal["unconditional", "text"]
"""From where a guidance scale counts; see `cfg`."""


class Score(ABC):
    """Combines noise predictions; light to build. It defines `combine`, or `combine_at` where that is not enough.

    Its capabilities are `noise_prediction_from` some conditions, or a `direction_from` them, which leaves out the noise
    itself: e_hat - e of the others. Objectives that compare a prediction with known noise take either; those that
    denoise step by step cannot use a direction.

    Args:
        config: an instance of the class's Config.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        capabilities = self.capabilities(config)
        self.conditions = capabilities.conditions
        self.predicts_noise = NOISE_PREDICTION in capabilities.gives

    @classmethod
    @abstractmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """Which conditions it needs, and whether it gives a noise prediction."""

    @classmethod
    def lacks(cls) -> list[str]:
        """What keeps a subclass from being registered, beside abstract methods."""
        defined = cls.combine is not Score.combine or cls.combine_at is not Score.combine_at
        return [] if defined else ["the method combine"]

    def combine(self, predictions: Mapping[str, Float[Tensor, "B C h w"]]) -> Float[Tensor, "B C h w"]:
        """One noise prediction (or direction) out of those under the conditions it needs."""
        raise TypeError(f"{type(self).__name__} combines predictions at a noise level; call combine_at")

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


def noise_prediction_from(*conditions: str) -> Capabilities:
    """Of a score that makes a noise prediction of those under these conditions."""
    return direction_from(*conditions).giving(NOISE_PREDICTION)


def direction_from(*conditions: str) -> Capabilities:
    """Of a score that makes a direction, without the noise, of the predictions under these conditions."""
    return Capabilities(needs=frozenset(condition(name) for name in conditions))
