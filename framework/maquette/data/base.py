"""The contract of data: posed reference images of the object, from which a stage samples targets at each step."""

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
from maquette.meshes.sampling import SurfaceSamples
from maquette.randomness import Moment


@dataclass(frozen=True)
class Target:
    """Target images of B cameras, with optional depth and normals.

    Args:
        cameras: B cameras.
        picture: B target pictures with alpha; opaque for photographs.
        depth: distance along the ray, up to a scale and a shift where it is estimated; None if unknown.
        normal: world normals of length 1; None if unknown.
        indices: indices of these pictures in `Data.all`; None if the data has no such order.
    """

    cameras: Cameras
    picture: Picture
    depth: Float[Tensor, "B H W 1"] | None = None
    normal: Float[Tensor, "B H W 3"] | None = None
    indices: Int[Tensor, " B"] | None = None


@dataclass(frozen=True)
class HeldOut:
    """Held-out views for evaluating a finished scene.

    Args:
        views: pictures that are not trained on.
        names: names of the pictures.
        surface: points on the true surface, with normals if they are known; None if it is unknown.
    """

    views: Target
    names: tuple[str, ...]
    surface: SurfaceSamples | None = None


class Data(ABC):
    """Source of the targets of each step."""

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """Entries of `Target` beyond color and opacity that it provides, determined without reading the data.

        Data with references also provides REFERENCE.
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
        """Reference images that priors can be conditioned on, once prepared; none by default."""
        return ()

    @abstractmethod
    def held_out(self) -> HeldOut:
        """Held-out views to evaluate on. Raises ConfigError when there are none."""


@dataclass(frozen=True)
class Reference:
    """A reference image of the object, for priors conditioned on images.

    Args:
        picture: one picture; opaque where the object's mask is unknown, so that its background stays.
        cameras: its camera.
        weight: relative weight among several references.
    """

    picture: Picture
    cameras: Cameras
    weight: float = 1.0
