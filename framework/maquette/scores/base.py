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
"""The prediction that a guidance scale is added to; see `cfg`."""


class Score(ABC):
    """Combines the noise predictions under several conditions into one.

    A subclass defines `combine`, or `combine_at` if it depends on timestep or cameras. Its capabilities are
    `noise_prediction_from` some conditions, or `direction_from` them: a direction is a guidance term e_hat - e without
    the noise itself. Score distillation can use either; sampling needs a noise prediction.

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
        """What a subclass lacks to be registered, apart from abstract methods."""
        defined = cls.combine is not Score.combine or cls.combine_at is not Score.combine_at
        return [] if defined else ["the method combine"]

    def combine(self, predictions: Mapping[str, Float[Tensor, "B C h w"]]) -> Float[Tensor, "B C h w"]:
        """One noise prediction (or direction) from the predictions by condition."""
        raise TypeError(f"{type(self).__name__} combines predictions at a noise level; call combine_at")

    def combine_at(
        self,
        predictions: Mapping[str, Float[Tensor, "B C h w"]],
        fraction: Float[Tensor, "B 1 1 1"],
        cameras: Cameras,
    ) -> Float[Tensor, "B C h w"]:
        """The same as `combine` for given timesteps and cameras. Scores that depend on these define it instead.

        Args:
            predictions: by name of the condition.
            share: timestep over the number of timesteps, in [0, 1).
            cameras: B, those of the pictures.
        """
        return self.combine(predictions)


def noise_prediction_from(*conditions: str) -> Capabilities:
    """Capabilities of a score that gives a noise prediction from those under these conditions."""
    return direction_from(*conditions).giving(NOISE_PREDICTION)


def direction_from(*conditions: str) -> Capabilities:
    """Capabilities of a score that gives a direction, without the noise, from those under these conditions."""
    return Capabilities(needs=frozenset(condition(name) for name in conditions))
