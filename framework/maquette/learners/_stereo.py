"""What the learners of stereo share: a network of Deep3D, random crops, held-out crops, sample sheets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Count, Fraction, WeightsPath
from maquette.datasets.base import StereoDataset, StereoPairs
from maquette.errors import ConfigError
from maquette.images.sheets import picture_grid
from maquette.learners.base import AveragedLearner
from maquette.perception.network_folder import save_network
from maquette.randomness import Draws
from maquette.stereo.network import Architecture, MultiScaleNetwork, Purpose, Sizes
from maquette.stereo.weights import load_stereo_network

SHEET_PAIRS = 8  # held-out pairs on the sample sheet
CHUNK = 16  # pairs per batch of the evaluation


class StereoLearner(AveragedLearner[StereoDataset, StereoPairs]):
    """A learner of a network of Deep3D.

    Attributes:
        purpose: what the network's maps are.
    """

    purpose: ClassVar[Purpose]

    @dataclass(frozen=True)
    class Config:
        start: WeightsPath = ""  # initial weights, which this learner saved; their sizes go before those below
        sizes: Sizes = field(default_factory=Sizes)  # of the network
        average_decay: Fraction = 0.998  # of the weight average that is saved
        evaluated: Count = 96  # held-out pairs of the evaluation

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: StereoDataset) -> None:
        if self.config.start:
            network = load_stereo_network(self.config.start, self.purpose, "learner.start").requires_grad_(True).train()
        else:
            sizes = {item.name: getattr(self.config.sizes, item.name) for item in fields(Sizes)}
            _check_crops(self.config.sizes.size, dataset.frame)
            network = MultiScaleNetwork(Architecture(**sizes, purpose=self.purpose, frame=dataset.frame))
            network.initialise()
        self.architecture = network.architecture
        _check_crops(self.architecture.size, dataset.frame)
        self.set_networks(network, self.config.average_decay)
        self.average.eval()

    def maps(self, pairs: StereoPairs, draws: Draws | None = None) -> Float[Tensor, "B K H W"]:
        """The maps of the left views: of the trained network where there are draws, else of the averaged one."""
        maps: Tensor = self.averaged(pairs.left) if draws is None else self.networks(pairs.left, draws)
        return maps.float()

    def random_crops(self, pairs: StereoPairs, draws: Draws) -> StereoPairs:
        """Crops of the network's size, each at a place of its own."""
        rows, columns = (
            draws.integers(name, 0, side - crop, len(pairs.left)).tolist()
            for name, side, crop in zip(("row", "column"), pairs.left.shape[1:3], self.architecture.size, strict=True)
        )
        return cropped(pairs, list(zip(rows, columns, strict=True)), self.architecture.size)

    def held_out(self, dataset: StereoDataset, draws: Draws) -> Iterator[StereoPairs]:
        """Held-out crops from the middle, a batch at a time."""
        for start in range(0, self.config.evaluated, CHUNK):
            count = min(CHUNK, self.config.evaluated - start)
            yield self.middle(dataset.held_out(draws.sub(str(start)), count))

    def middle(self, pairs: StereoPairs) -> StereoPairs:
        """Crops from the middle."""
        place = [(side - crop) // 2 for side, crop in zip(pairs.left.shape[1:3], self.architecture.size, strict=True)]
        return cropped(pairs, [(place[0], place[1])] * len(pairs.left), self.architecture.size)

    @torch.no_grad()
    def sample_sheet(self, dataset: StereoDataset, draws: Draws) -> np.ndarray:
        """A row per held-out pair: both views, and what the network makes of the left one."""
        pairs = self.middle(dataset.sample_pairs(SHEET_PAIRS))
        columns = torch.stack([pairs.left, pairs.right, *self.pictures(pairs)], dim=1)
        return picture_grid(columns.flatten(0, 1), columns=columns.shape[1])

    def pictures(self, pairs: StereoPairs) -> list[Float[Tensor, "B H W 3"]]:
        """What the network makes of left views, as pictures."""
        raise NotImplementedError

    def grey(self, shift: Float[Tensor, "B H W 1"]) -> Float[Tensor, "B H W 3"]:
        """Shifts in columns as grey values, near ones bright."""
        first, last = self.architecture.columns[0], self.architecture.columns[-1]
        return ((last - shift) / max(last - first, 1)).clamp(0, 1).expand(-1, -1, -1, 3)

    def save(self, folder: Path) -> None:
        """Write weights that `load_stereo_network` reads."""
        save_network(self.averaged, self.averaged.architecture, folder)


def _check_crops(size: tuple[int, int], frame: tuple[int, int]) -> None:
    """Raise ConfigError for frames that have no crops of the network's size."""
    if any(side < crop for side, crop in zip(frame, size, strict=True)):
        raise ConfigError(
            f"frames of {frame[0]} x {frame[1]} have no crops of {size[0]} x {size[1]}", key="learner.sizes.size",
            hint="give larger frames, or a smaller network",
        )  # fmt: skip


def cropped(pairs: StereoPairs, places: list[tuple[int, int]], size: tuple[int, int]) -> StereoPairs:
    """Crops of each pair at its place (row, column)."""

    def crops(values: Tensor | None) -> Tensor | None:
        if values is None:
            return None
        return torch.stack(
            [v[row : row + size[0], column : column + size[1]] for v, (row, column) in zip(values, places, strict=True)]
        )

    named = {item.name: crops(getattr(pairs, item.name)) for item in fields(pairs)}
    return replace(pairs, **{name: value for name, value in named.items() if value is not None})


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's correlation of two tensors of one shape; 0 where one is constant."""
    a, b = (values.flatten().double() - values.double().mean() for values in (one, other))
    return (a @ b) / (a.norm() * b.norm()).clamp(min=1e-12)
