"""Stage one of One-2-3-45++: diffusion of truncated distances on a dense grid, conditioned on posed views."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Channels, Count, Fraction, NonNegative, Positive, WeightsPath
from maquette.cameras.base import Cameras
from maquette.datasets.base import ViewsWithDistances, VolumeDataset
from maquette.generators.one2345.diffusion import SCHEDULE, noise_clean
from maquette.generators.one2345.shape_network import Condition, ShapeArchitecture, ShapeNetwork, sample_shape
from maquette.generators.one2345.tower import Tower
from maquette.images.sheets import picture_grid
from maquette.learners._diffusion import shift_timesteps
from maquette.learners.base import AveragedLearner
from maquette.learners.reconstructor import SHELL, hull_mask, intersection_over_union, shaded_surfaces
from maquette.objectives.terms import Terms
from maquette.perception.reconstructor import Reconstructor
from maquette.randomness import Draws
from maquette.registry import register

SHEET_OBJECTS = 8  # held-out objects on the sample sheet
CHUNK = 16  # objects per batch of the evaluation


@register("learner", "one2345-shape")
class One2345Shape(AveragedLearner[VolumeDataset, ViewsWithDistances]):
    """Trains the dense stage of One-2-3-45++: the clean grid of truncated distances from a noisy one and posed views.

    The loss is the mean squared error of the clean grid, in cells, at random timesteps. The last view of an object is
    the picture that gives the global condition.

    Source: Liu et al. 2023 (One-2-3-45++, arXiv 2311.07885), sec. 3.2 and 3.3; truncated distances in place of
    occupancy, from which occupancy follows.
    """

    @dataclass(frozen=True)
    class Config:
        tower: WeightsPath  # CLIP weights whose image tower gives the global condition
        reconstructor: WeightsPath = ""  # initial weights of the local condition and the U-Net, and their sizes
        picture_widths: tuple[Channels, Channels, Channels] = (24, 48, 96)  # see `Architecture`
        features: Channels = 16
        widths: tuple[Channels, ...] = (32, 64, 128)
        blocks: tuple[Count, ...] = (1, 1, 2)
        context: Channels = 128
        local: bool = True  # whether the views at the cells are a condition; without, the global one is all
        patches: WeightsPath = ""  # DINOv2 weights whose patches' features join the local condition; empty: none
        projection_noise: NonNegative = 1.0  # standard deviation of a view's shift in half of the objects, pixels
        timestep_shift: Positive = 3.0  # above 1, noisy timesteps are sampled more often
        average_decay: Fraction = 0.998  # of the weight average that is saved
        sample_steps: Count = 10  # of the evaluation and the sample sheet
        evaluated: Count = 64  # held-out objects of the evaluation

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: VolumeDataset) -> None:
        c, example = self.config, dataset.sample_objects(1, dataset.view_counts[0])
        self.tower = Tower(c.tower)
        sizes = (c.picture_widths, c.features, c.widths, c.blocks, c.context)
        start = Reconstructor.load(c.reconstructor, "learner.reconstructor") if c.reconstructor else None
        if start is not None:
            start.check_cube(dataset.bound, dataset.resolution, c.reconstructor, "learner.reconstructor")
            a = start.architecture
            sizes = (a.picture_widths, a.features, a.widths, a.blocks, a.context)
        self.architecture = ShapeArchitecture(
            dataset.bound,
            dataset.resolution,
            example.images.shape[1],
            *sizes,
            c.tower,
            self.tower.width,
            c.local,
            patches=c.patches,
        )
        network = ShapeNetwork(self.architecture)
        if start is not None:
            network.start_from(start)
        self.set_networks(network, c.average_decay)

    def set_memory_format(self, device: torch.device) -> None:
        self.to(device)
        self.tower.to(device)
        for network in (self.networks, self.averaged):
            network.set_memory_format()

    def loss(self, batch: ViewsWithDistances, draws: Draws) -> Terms:
        batch = replace(batch, cameras=jittered(batch, self.config.projection_noise, draws.sub("projection")))
        clean = batch.distances / self.architecture.cell
        t = draws.integers("timestep", 0, SCHEDULE.timesteps - 1, len(clean))
        t = shift_timesteps(t, SCHEDULE.timesteps, self.config.timestep_shift).to(clean.device)
        noisy = noise_clean(clean, t, draws)
        predicted = self.networks(noisy, t, self._condition(self.networks, batch))
        return Terms({"distance": (predicted - clean).square().mean()})

    def _condition(self, network: ShapeNetwork, batch: ViewsWithDistances) -> Condition:
        images = batch.images.unflatten(0, (len(batch.distances), -1))
        return network.condition(images, batch.cameras, self.tower(images[:, -1]))

    @torch.no_grad()
    def sample(self, batch: ViewsWithDistances, draws: Draws, steps: int) -> Float[Tensor, "B N N N"]:
        """Distances of a batch's objects in cells, sampled by the averaged weights."""
        condition = self._condition(self.averaged, batch)
        return sample_shape(self.averaged, condition, steps, draws)

    @torch.no_grad()
    def sample_sheet(self, dataset: VolumeDataset, draws: Draws) -> np.ndarray:
        """A row per object: its views, and surfaces sampled, predicted in one step, and true, from three axes."""
        objects = dataset.sample_objects(SHEET_OBJECTS, dataset.view_counts[0])
        cell, side = self.architecture.cell, objects.images.shape[1:3]
        volumes = [self.sample(objects, draws, steps) * cell for steps in (self.config.sample_steps, 1)]
        shaded = torch.cat([shaded_surfaces(volume) for volume in (*volumes, objects.distances)], dim=1)
        pictures = torch.nn.functional.interpolate(shaded.flatten(0, 1).permute(0, 3, 1, 2), side).permute(0, 2, 3, 1)
        rows = [part.unflatten(0, (SHEET_OBJECTS, -1)) for part in (objects.images, pictures)]
        sheet = torch.cat(rows, dim=1)
        return picture_grid(sheet.flatten(0, 1), columns=sheet.shape[1])

    @torch.no_grad()
    def evaluate(self, dataset: VolumeDataset, draws: Draws) -> dict[str, float]:
        """Mean intersection over union with held-out objects: of solids and shells; of the visual hull's solid too.

        For true pictures and for perturbed ones, sampled in `sample_steps` and predicted in one step.
        """
        figures, views = {}, dataset.view_counts[0]
        for name, perturbed in (("true", False), ("perturbed", True)):
            for steps in (self.config.sample_steps, 1):
                solid, shell, hull = self._scores(dataset, draws, views, perturbed, steps)
                figures[f"solid IoU, {views} {name} views, {steps} steps"] = solid
                figures[f"shell IoU, {views} {name} views, {steps} steps"] = shell
            figures[f"solid IoU of the hull, {views} {name} views"] = hull
        return figures

    def _scores(
        self, dataset: VolumeDataset, draws: Draws, views: int, perturbed: bool, steps: int
    ) -> tuple[float, ...]:
        rows = []
        for start in range(0, self.config.evaluated, CHUNK):
            count, chunk = min(CHUNK, self.config.evaluated - start), draws.sub(str(start))
            objects = dataset.held_out(chunk, count, views, perturbed)
            predicted, truth = self.sample(objects, chunk, steps), objects.distances / self.architecture.cell
            hull = hull_mask(objects, dataset.bound)
            pairs = ((predicted < 0, truth < 0), (predicted.abs() < SHELL, truth.abs() < SHELL), (hull, truth < 0))
            rows.append(torch.stack([intersection_over_union(*pair) for pair in pairs]))
        return tuple(torch.cat(rows, dim=1).mean(1).tolist())

    def save(self, folder: Path) -> None:
        """Write weights that `ShapeNetwork.load` reads."""
        self.averaged.save(folder)


def jittered(batch: ViewsWithDistances, deviation: float, draws: Draws) -> Cameras:
    """The batch's cameras, each turned a little about its position in half of the objects.

    A turn by a pixel's angle shifts what the camera sees by a pixel: perturbed projections, as sampled views are none
    of exactly one object (Liu et al. 2023, sec. 3.3).

    Args:
        deviation: standard deviation of the shift along each axis of the picture, pixels.
    """
    cameras, count = batch.cameras, len(batch.distances)
    views = len(cameras) // count
    turned = (draws.uniform("turned", count) < 0.5).repeat_interleave(views).float()
    angles = draws.normal("angles", len(cameras), 2) * (deviation * turned / cameras.focal.cpu())[:, None]
    generator = torch.zeros(len(cameras), 3, 3)
    generator[:, 1, 2], generator[:, 2, 1] = -angles[:, 0], angles[:, 0]  # about the camera's x axis
    generator[:, 0, 2], generator[:, 2, 0] = angles[:, 1], -angles[:, 1]  # about its y axis
    turn = torch.linalg.matrix_exp(generator).to(cameras.c2w)
    c2w = cameras.c2w.clone()
    c2w[:, :3, :3] = c2w[:, :3, :3] @ turn
    return replace(cameras, c2w=c2w)
