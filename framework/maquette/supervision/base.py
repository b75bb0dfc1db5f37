"""The contract of supervision: known views of the object, from which a stage takes some at each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.priors.base import Reference
from maquette.randomness import Draws


@dataclass(frozen=True)
class Target:
    """What renderings from some cameras should look like.

    Args:
        cameras: B of them.
        rgb: colour in [0, 1], not multiplied by opacity.
        opacity: coverage in [0, 1]; 1 everywhere for photographs.
        depth: distance along the ray, up to a scale and a shift where it is estimated; None if unknown.
        normal: world normals of length 1; None if unknown.
        places: of these pictures among all of them; None where they are not told apart.
    """

    cameras: Cameras
    rgb: Float[Tensor, "B H W 3"]
    opacity: Float[Tensor, "B H W 1"]
    depth: Float[Tensor, "B H W 1"] | None = None
    normal: Float[Tensor, "B H W 3"] | None = None
    places: Int[Tensor, " B"] | None = None

    def over(self, background: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B H W 3"]:
        """The pictures as they look in front of a background."""
        return self.rgb * self.opacity + background * (1 - self.opacity)


@dataclass(frozen=True)
class HeldOut:
    """What a finished scene is measured against.

    Args:
        views: pictures that were not trained on.
        names: of the pictures.
        surface: points on the true surface [P, 3] in scene units; None if unknown.
    """

    views: Target
    names: tuple[str, ...]
    surface: Float[Tensor, "P 3"] | None = None


class Supervision:
    """Gives each step its targets."""

    gives: frozenset[str] = frozenset()  # entries of `Target` beyond rgb and opacity

    @classmethod
    def supplied(cls, config: Any) -> frozenset[str]:
        """Those of `gives` that the data has with these settings, as far as can be told without reading it."""
        return cls.gives

    def prepare(self, device: torch.device) -> None:
        """Read the data; called once before the first step. Raises ConfigError on bad data."""

    def sample(self, step: int, total: int, draws: Draws) -> Target:
        """The targets of one step, a function of the arguments alone."""
        raise NotImplementedError

    def all(self) -> Target:
        """Every picture that `sample` may give, once."""
        raise NotImplementedError

    def references(self) -> tuple[Reference, ...]:
        """Pictures that priors may continue, over white, once prepared; none unless the data is made for that."""
        return ()

    def held_out(self) -> HeldOut:
        """What to measure on. Raises ConfigError when there is nothing."""
        raise NotImplementedError
