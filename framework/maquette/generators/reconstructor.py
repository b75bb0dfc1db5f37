"""Signed distances from posed views by a feed-forward network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import NonNegative, WeightsPath
from maquette.cameras.base import Cameras
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError
from maquette.generators.base import DistanceGrid, Generator
from maquette.kernels.devices import choose_device
from maquette.perception.reconstructor import Reconstructor
from maquette.priors.base import Request
from maquette.randomness import Draws
from maquette.registry import register

BACKGROUND = 1.0  # grey level behind the views; most training pictures have white


@register("generator", "reconstructor")
class ReconstructorGenerator(Generator):
    """Predicts truncated signed distances from the stage's views in one evaluation.

    The views may be any number, from any directions all around; all weigh the same. They are laid over white and
    brought to the size of the training pictures. Prompt, references and random numbers have no influence.
    """

    @dataclass(frozen=True)
    class Config:
        weights: WeightsPath  # what the learner `reconstructor` saved: a plugin's name for it, or a folder
        grow: NonNegative = 0.1  # cells by which the surface is moved outward: averages make thin parts thinner
        device: Literal["auto", "cpu", "cuda"] = "auto"  # where to compute

    def __init__(self, config: Config) -> None:
        self.config = config

    @torch.no_grad()
    def generate(self, request: Request, views: PosedImages | None, draws: Draws) -> DistanceGrid:
        """Distances in scene units at the centres of a cube's cells, truncated at the side of a cell."""
        if views is None:
            raise ConfigError(
                "a reconstructor makes an object of views, and there are none", key="start",
                hint="let a stage of type sample come before, or give data of posed images",
            )  # fmt: skip
        device = choose_device(self.config.device)
        network = Reconstructor.load(self.config.weights, "start.weights").to(device)
        architecture = network.architecture
        images, cameras = framed(views.to(device), architecture.size)
        cell = architecture.cell
        distances = (network(images[None], cameras)[0] - self.config.grow).clamp(-1, 1) * cell
        low = cell / 2 - architecture.bound
        return DistanceGrid(distances.cpu(), (low, low, low), cell)


def framed(views: PosedImages, size: int) -> tuple[Float[Tensor, "V h w 3"], Cameras]:
    """The views over white, brought to `size` rows, and their cameras."""
    views = views.resized(min(size, views.cameras.height))
    images = views.picture.over(BACKGROUND)
    if images.shape[1] < size:
        larger = (size, round(images.shape[2] * size / images.shape[1]))
        images = functional.interpolate(images.movedim(3, 1), larger, mode="bilinear").movedim(1, 3)
    return images, views.cameras
