"""A feed-forward network from posed views to signed distances, trained by regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Channels, Count, Fraction, Positive, WeightsPath
from maquette.datasets.base import ViewsWithDistances, VolumeDataset
from maquette.images.resampling import downsample
from maquette.images.sheets import picture_grid
from maquette.learners.base import AveragedLearner
from maquette.objectives.terms import Terms
from maquette.perception.reconstructor import Architecture, Reconstructor
from maquette.perception.view_volume import cell_centres, sample_views
from maquette.randomness import Draws
from maquette.registry import register

SHELL = 0.87  # cells; nearer ones belong to the shell: half the diagonal of a cell, as in One-2-3-45++
SHEET_OBJECTS = 8  # held-out objects on the sample sheet
SHEET_SIDE = 64  # pixels of its pictures
CHUNK = 16  # objects per batch of the evaluation
LIGHT = (0.6, 0.2, 0.77)  # direction to the light of shaded distances


@register("learner", "reconstructor")
class ReconstructorLearner(AveragedLearner[VolumeDataset, ViewsWithDistances]):
    """Trains a network from posed views to truncated signed distances on a grid, in one evaluation.

    The loss is Huber's, of distances in cells: an average where views do not determine the shape.

    Source: local condition and cube, One-2-3-45++ (Liu et al. 2023, arXiv 2311.07885), sec. 3.2, there with diffusion;
    truncated distances, Curless and Levoy 1996, sec. 3.
    """

    @dataclass(frozen=True)
    class Config:
        start: WeightsPath = ""  # initial weights, which this learner saved; their sizes go before those below
        picture_widths: tuple[Channels, Channels, Channels] = (24, 48, 96)  # see `Architecture`
        features: Channels = 16
        widths: tuple[Channels, ...] = (32, 64, 128)
        blocks: tuple[Count, ...] = (1, 1, 2)
        context: Channels = 128
        huber: Positive = 0.25  # error in cells above which the loss is linear, its delta
        average_decay: Fraction = 0.998  # of the weight average that is saved
        evaluated: Count = 128  # held-out objects of the evaluation

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: VolumeDataset) -> None:
        c, example = self.config, dataset.sample_objects(1, dataset.view_counts[0])
        sizes = (c.picture_widths, c.features, c.widths, c.blocks, c.context)
        self.architecture = Architecture(dataset.bound, dataset.resolution, example.images.shape[1], *sizes)
        network = Reconstructor(self.architecture)
        if c.start:
            network = Reconstructor.load(c.start, "learner.start").requires_grad_(True).train()
            network.check_cube(dataset.bound, dataset.resolution, c.start, "learner.start")
            self.architecture = network.architecture
        self.set_networks(network, c.average_decay)

    def set_memory_format(self, device: torch.device) -> None:
        self.to(device)
        for network in (self.networks, self.averaged):
            network.set_memory_format()

    def loss(self, batch: ViewsWithDistances, draws: Draws) -> Terms:
        predicted, target = self._predict(self.networks, batch), batch.distances / self.architecture.cell
        loss = functional.huber_loss(predicted, target, delta=self.config.huber) / self.config.huber
        return Terms({"distance": loss})

    def _predict(self, network: Reconstructor, batch: ViewsWithDistances) -> Float[Tensor, "B N N N"]:
        return network(batch.images.unflatten(0, (len(batch.distances), -1)), batch.cameras)

    @torch.no_grad()
    def sample_sheet(self, dataset: VolumeDataset, draws: Draws) -> np.ndarray:
        """A row per object: its four views, and predicted and true surface from three axes, shaded."""
        objects = dataset.sample_objects(SHEET_OBJECTS, dataset.view_counts[0])
        cell = self.architecture.cell
        volumes = (self._predict(self.averaged, objects) * cell, objects.distances)
        shaded = torch.stack([shaded_surfaces(volume) for volume in volumes], dim=1).flatten(1, 2)
        images = objects.images if objects.images.shape[1] <= SHEET_SIDE else downsample(objects.images, SHEET_SIDE)
        side = images.shape[1:3]
        shaded = functional.interpolate(shaded.flatten(0, 1).permute(0, 3, 1, 2), side, mode="bilinear")
        rows = [
            images.unflatten(0, (SHEET_OBJECTS, -1)), shaded.permute(0, 2, 3, 1).unflatten(0, (SHEET_OBJECTS, -1)),
        ]  # fmt: skip
        sheet = torch.cat(rows, dim=1)
        return picture_grid(sheet.flatten(0, 1), columns=sheet.shape[1])

    @torch.no_grad()
    def evaluate(self, dataset: VolumeDataset, draws: Draws) -> dict[str, float]:
        """Mean intersection over union with held-out objects: of solids and shells; of the visual hull's solid too.

        For each number of views, with true pictures and with perturbed ones; the hull is of the true coverage.
        """
        figures = {}
        for views in dataset.view_counts:
            for name, perturbed in (("true", False), ("perturbed", True)):
                solid, shell, hull = self._scores(dataset, draws, views, perturbed)
                figures[f"solid IoU, {views} {name} views"] = solid
                figures[f"shell IoU, {views} {name} views"] = shell
            figures[f"solid IoU of the hull, {views} true views"] = hull
        return figures

    def _scores(self, dataset: VolumeDataset, draws: Draws, views: int, perturbed: bool) -> tuple[float, ...]:
        rows = []
        for start in range(0, self.config.evaluated, CHUNK):
            count = min(CHUNK, self.config.evaluated - start)
            objects = dataset.held_out(draws.sub(f"{views}/{start}"), count, views, perturbed)
            predicted, cell = self._predict(self.averaged, objects), self.architecture.cell
            truth = objects.distances / cell
            hull = hull_mask(objects, dataset.bound)
            pairs = ((predicted < 0, truth < 0), (predicted.abs() < SHELL, truth.abs() < SHELL), (hull, truth < 0))
            rows.append(torch.stack([intersection_over_union(*pair) for pair in pairs]))
        return tuple(torch.cat(rows, dim=1).mean(1).tolist())

    def save(self, folder: Path) -> None:
        """Write weights that `Reconstructor.load` reads."""
        self.averaged.save(folder)


def intersection_over_union(a: Tensor, b: Tensor) -> Float[Tensor, " B"]:
    """Intersection over union of two batches of masks of any shape.

    Example:
        >>> a, b = torch.tensor([[True, True, False]]), torch.tensor([[False, True, True]])
        >>> intersection_over_union(a, b)
        tensor([0.3333])
    """
    return (a & b).flatten(1).sum(1) / (a | b).flatten(1).sum(1).clamp(min=1)


def hull_mask(objects: ViewsWithDistances, bound: float) -> Tensor:
    """Cells [B, N, N, N] whose centres are within the object's silhouette in all of its views."""
    count, resolution = objects.distances.shape[:2]
    views = len(objects.images) // count
    centres = cell_centres(bound, resolution).to(objects.images)
    coverage = sample_views(objects.opacity.permute(0, 3, 1, 2), objects.cameras, centres, views)
    return (coverage.amin((1, 2)) > 0.5).unflatten(1, (resolution,) * 3)


def shaded_surfaces(distances: Float[Tensor, "B N N N"]) -> Float[Tensor, "B 3 N N 3"]:
    """Parallel views of the zero level from the front (+x), from its right (+y) and from above, grey over white."""
    gradient = functional.normalize(torch.stack(torch.gradient(distances, dim=(1, 2, 3)), dim=-1), dim=-1)
    light = torch.tensor(LIGHT).to(distances)
    brightness = 0.3 + 0.7 * (gradient @ (light / light.norm())).clamp(0, 1)

    def first_hit(axis: int, image: Callable[[Tensor], Tensor]) -> Tensor:
        inside, values = distances.flip(axis) < 0, brightness.flip(axis)
        hit = values.gather(axis, inside.float().argmax(axis, keepdim=True)).squeeze(axis)
        return image(torch.where(inside.any(axis), hit, 1.0))

    views = [
        first_hit(1, lambda plane: plane.transpose(1, 2).flip(1)),  # rows: z downwards; columns: y
        first_hit(2, lambda plane: plane.transpose(1, 2).flip(1, 2)),  # columns: -x, seen from +y
        first_hit(3, lambda plane: plane),  # rows: from the back to the front; columns: y
    ]
    return torch.stack(views, dim=1)[..., None].expand(-1, -1, -1, -1, 3)
