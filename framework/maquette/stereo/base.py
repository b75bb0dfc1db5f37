"""The contract of a maker of stereo: what it estimates of left views, and the right views that follow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Depth3D:
    """How strong the depth of a stereo picture is, and where its screen lies.

    A shift j of an estimate becomes `strength` j + `convergence`; 0 lies at the screen, negative shifts before it.

    Args:
        strength: factor of the shifts; 0 makes both views equal, 1 leaves them as estimated.
        convergence: added to all shifts, fraction of the picture's width; positive moves the scene behind the screen.
    """

    strength: float = 1.0
    convergence: float = 0.0

    def shift(self, value: float) -> float:
        """A shift, in fractions of the width, as it is shown."""
        return self.strength * value + self.convergence

    @property
    def is_neutral(self) -> bool:
        """Whether shifts stay as estimated."""
        return self.strength == 1 and self.convergence == 0


@dataclass(frozen=True)
class RightView:
    """Right views, and the shifts that made them.

    Args:
        rgb: in [0, 1] [B, H, W, 3].
        shift: content at column x stands in the left view at x - shift; in fractions of the width [B, h, w, 1], at any
            size; negative before the screen. None: the maker knows of no shifts.
    """

    rgb: Float[Tensor, "B H W 3"]
    shift: Float[Tensor, "B h w 1"] | None


class Estimate(ABC):
    """What a maker of stereo estimates of a batch of left views, at its own resolution."""

    @property
    @abstractmethod
    def values(self) -> Float[Tensor, "B K h w"]:
        """The numbers of the estimate, which may be averaged over successive frames."""

    @abstractmethod
    def with_values(self, values: Float[Tensor, "N K h w"]) -> Estimate:
        """The same kind of estimate with other numbers."""

    @abstractmethod
    def right_view(self, left: Float[Tensor, "B H W 3"], depth: Depth3D) -> RightView:
        """The right views.

        Args:
            left: the left views that this was estimated from, in [0, 1].
            depth: how the shifts are shown.

        Raises:
            ConfigError: this maker cannot change the depth.
        """

    def smoothed(self, before: Float[Tensor, "1 K h w"] | None, weight: float) -> Estimate:
        """The estimates of successive frames, averaged exponentially.

        Args:
            before: the average up to the frame before the first; None: there is none, as after a cut.
            weight: of what came before, in [0, 1).
        """
        return self.with_values(running_average(self.values, before, weight))


def running_average(
    values: Float[Tensor, "B ..."], before: Float[Tensor, "1 ..."] | None, weight: float
) -> Float[Tensor, "B ..."]:
    """An exponential average along the first dimension; without one before, it begins with the first value.

    Example:
        >>> running_average(torch.tensor([1.0, 0.0]), torch.tensor([0.0]), 0.5)
        tensor([0.5000, 0.2500])
    """
    average, steps = values[0] if before is None else before[0], []
    for value in values:
        average = torch.lerp(value, average, weight)
        steps.append(average)
    return torch.stack(steps)


class Stereo(ABC):
    """A part of the kind `stereo`: built from its Config, it estimates what makes right views of left ones."""

    @abstractmethod
    def estimate(self, left: Float[Tensor, "B H W 3"]) -> Estimate:
        """An estimate of left views in [0, 1], each for itself; of any height and width."""
