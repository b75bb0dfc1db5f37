"""The contract of data: known views of the object, from which a stage takes some at each step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.config.capabilities import DATA, Capabilities
from maquette.images.picture import Picture
from maquette.randomness import Moment


@dataclass(frozen=True)
class Target:
    """What renderings from some cameras should look like.

    Args:
        cameras: B of them.
        picture: what they see, B of them; opaque for photographs.
        depth: distance along the ray, up to a scale and a shift where it is estimated; None if unknown.
        normal: world normals of length 1; None if unknown.
        places: of these pictures among all of them; None where they are not told apart.
    """

    cameras: Cameras
    picture: Picture
    depth: Float[Tensor, "B H W 1"] | None = None
    normal: Float[Tensor, "B H W 3"] | None = None
    places: Int[Tensor, " B"] | None = None


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


class Data(ABC):
    """Gives each step its targets."""

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """Entries of `Target` that it has, beyond color and opacity, as far as can be told without reading it.

        One that has references gives REFERENCE as well.
        """
        return Capabilities().giving(DATA)

    @abstractmethod
    def prepare(self, device: torch.device) -> None:
        """Read the data; called once before the first step. Raises ConfigError on bad data."""

    @abstractmethod
    def sample(self, moment: Moment) -> Target:
        """The targets of one step, a function of the arguments alone."""

    @abstractmethod
    def all(self) -> Target:
        """Every picture that `sample` may give, once."""

    def references(self) -> tuple[Reference, ...]:
        """Pictures that priors may continue, once prepared; none unless the data is made for that."""
        return ()

    @abstractmethod
    def held_out(self) -> HeldOut:
        """What to measure on. Raises ConfigError when there is nothing."""


@dataclass(frozen=True)
class Reference:
    """A picture of what is to be made.

    Args:
        picture: one; opaque where it is unknown which part of it is the object, so that what is behind it stays.
        cameras: the one camera that took it.
        weight: how much it counts beside others, for priors that take several.
    """

    picture: Picture
    cameras: Cameras
    weight: float = 1.0
