"""Stage two of One-2-3-45++: diffusion of fine distances and colours on the cells near a coarse surface."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Channels, Count, Fraction, NonNegative, Positive, WeightsPath
from maquette.datasets.base import SurfaceDataset, ViewsWithSurfaces
from maquette.generators.one2345.diffusion import SCHEDULE, noise_clean
from maquette.generators.one2345.sparse import Tokens
from maquette.generators.one2345.surface_network import (
    ACTIVE,
    CHILDREN,
    COLORS,
    DISTANCES,
    SurfaceArchitecture,
    SurfaceNetwork,
    TokenCondition,
    sample_tokens,
)
from maquette.generators.one2345.tower import Tower
from maquette.learners._diffusion import held_out_batches, shift_timesteps
from maquette.learners.base import AveragedLearner
from maquette.learners.one2345_shape import jittered
from maquette.objectives.terms import Terms
from maquette.perception.reconstructor import Reconstructor
from maquette.randomness import Draws
from maquette.registry import register

CHUNK = 8  # objects per batch of the evaluation
NOISE_CELLS = 4  # coarse cells from one random value of the noise on a true volume to the next
ADDED = 0.05  # part of the cells beside active ones that become active in training


@register("learner", "one2345-surface")
class One2345Surface(AveragedLearner[SurfaceDataset, ViewsWithSurfaces]):
    """Trains the sparse stage of One-2-3-45++: clean distances and colours of cells near the surface from noisy ones.

    The coarse volume that the cells are chosen by is a reconstructor's, of the same views, or the true one with smooth
    noise; some of the cells are left out and others added, since that of stage one will not be exact. The loss is the
    mean squared error of distances, in coarse cells, and of colours.

    Source: Liu et al. 2023 (One-2-3-45++, arXiv 2311.07885), sec. 3.3; noise on a condition, cascaded diffusion (Ho et
    al. 2021, arXiv 2106.15282), sec. 4.
    """

    @dataclass(frozen=True)
    class Config:
        tower: WeightsPath  # CLIP weights whose image tower gives the global condition
        reconstructor: WeightsPath  # makes coarse volumes, and gives initial weights to what reads the pictures
        predicted: Fraction = 0.75  # part of the batches whose coarse volumes are the reconstructor's
        widths: tuple[Channels, ...] = (64, 128)  # of the sparse U-Net
        blocks: tuple[Count, ...] = (1, 2)
        color_weight: Positive = 0.5  # of the error of colours beside that of distances
        coarse_noise: NonNegative = 0.3  # largest standard deviation of the noise on a true volume, cells
        dropped: Fraction = 0.03  # part of the active cells that are left out
        patches: WeightsPath = ""  # DINOv2 weights whose patches' features join the local condition; empty: none
        projection_noise: NonNegative = 1.0  # standard deviation of a view's shift in half of the objects, pixels
        timestep_shift: Positive = 3.0  # above 1, noisy timesteps are sampled more often
        average_decay: Fraction = 0.998  # of the weight average that is saved
        sample_steps: Count = 10  # of the evaluation
        evaluated: Count = 32  # held-out objects of the evaluation

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: SurfaceDataset) -> None:
        c = self.config
        self.tower = Tower(c.tower)
        self.coarse = [Reconstructor.load(c.reconstructor, "learner.reconstructor")]  # a list: no part of the state
        a = self.coarse[0].architecture
        self.coarse[0].check_cube(dataset.bound, dataset.resolution, c.reconstructor, "learner.reconstructor")
        self.architecture = SurfaceArchitecture(
            a.bound, a.resolution, a.size, a.picture_widths, a.features, c.widths, c.blocks, a.context, c.tower,
            self.tower.width, patches=c.patches,
        )  # fmt: skip
        network = SurfaceNetwork(self.architecture)
        network.start_from(self.coarse[0])
        self.set_networks(network, c.average_decay)

    def set_memory_format(self, device: torch.device) -> None:
        self.to(device)
        self.tower.to(device)
        self.coarse[0].to(device)
        for network in (self.networks, self.averaged):
            network.set_memory_format()

    def loss(self, batch: ViewsWithSurfaces, draws: Draws) -> Terms:
        batch = replace(batch, cameras=jittered(batch, self.config.projection_noise, draws.sub("projection")))
        coarse = self._coarse(batch, draws.sub("coarse"))
        active = scattered(coarse.abs() < ACTIVE, self.config.dropped, ADDED, draws.sub("active"))
        condition = self._condition(self.networks, batch, coarse, active)
        tokens = condition.levels.tokens[0]
        clean = self.true_tokens(batch, tokens)
        t = draws.integers("timestep", 0, SCHEDULE.timesteps - 1, tokens.objects)
        t = shift_timesteps(t, SCHEDULE.timesteps, self.config.timestep_shift).to(clean.device)
        noisy = noise_clean(clean[..., None, None], t[tokens.object], draws)[..., 0, 0]
        error = (self.networks(noisy, t, condition) - clean).square()
        color = self.config.color_weight * error[:, DISTANCES:].mean()
        return Terms({"distance": error[:, :DISTANCES].mean(), "color": color})

    def _coarse(self, batch: ViewsWithSurfaces, draws: Draws) -> Float[Tensor, "B N N N"]:
        if draws.uniform("predicted", 1).item() < self.config.predicted:
            return self._predicted(batch)
        return noisy_volume(batch.distances / self.architecture.cell, self.config.coarse_noise, draws)

    @torch.no_grad()
    def _predicted(self, batch: ViewsWithSurfaces) -> Float[Tensor, "B N N N"]:
        images = batch.images.unflatten(0, (len(batch.distances), -1))
        return self.coarse[0](images, batch.cameras).clamp(-1, 1)

    def _condition(
        self, network: SurfaceNetwork, batch: ViewsWithSurfaces, coarse: Tensor, active: Bool[Tensor, "B N N N"]
    ) -> TokenCondition:
        images = batch.images.unflatten(0, (len(batch.distances), -1))
        return network.condition(images, batch.cameras, self.tower(images[:, -1]), coarse, active)

    def true_tokens(self, batch: ViewsWithSurfaces, tokens: Tokens) -> Float[Tensor, "n 32"]:
        """True distances, in coarse cells, truncated, and colours of the tokens' children, both in [-1, 1]."""
        _, children = self.networks.positions(tokens)
        result = children.new_empty(len(children), DISTANCES + COLORS)
        for i, surface in enumerate(batch.surfaces):
            own = tokens.object == i
            distances, colors = surface(children[own].flatten(0, 1))
            result[own, :DISTANCES] = (distances / self.architecture.cell).clamp(-1, 1).unflatten(0, (-1, CHILDREN))
            result[own, DISTANCES:] = colors.unflatten(0, (-1, CHILDREN)).transpose(1, 2).flatten(1) * 2 - 1
        return result

    @torch.no_grad()
    def sample(
        self, batch: ViewsWithSurfaces, coarse: Float[Tensor, "B N N N"], draws: Draws, steps: int
    ) -> tuple[TokenCondition, Float[Tensor, "n 32"]]:
        """The tokens of coarse volumes, and their distances and colours sampled by the averaged weights."""
        condition = self._condition(self.averaged, batch, coarse, coarse.abs() < ACTIVE)
        return condition, sample_tokens(self.averaged, condition, steps, draws)

    @torch.no_grad()
    def evaluate(self, dataset: SurfaceDataset, draws: Draws) -> dict[str, float]:
        """Means over the tokens of a reconstructor's volumes of held-out objects, sampled, and interpolated.

        The errors of distances are absolute, in coarse cells; those of colours root mean squares where the truth is
        nearer than half a cell; "inside" is the intersection over union of the children inside.
        """
        sums: dict[str, list[Tensor]] = {}
        batches = held_out_batches(_OfViews(dataset), draws, self.config.evaluated, CHUNK)
        for batch, of_batch in batches:
            coarse = self._predicted(batch)
            condition, sampled = self.sample(batch, coarse, of_batch, self.config.sample_steps)
            _, direct = self.sample(batch, coarse, of_batch, 1)
            truth = self.true_tokens(batch, condition.levels.tokens[0])
            near = truth[:, :DISTANCES].abs() < 0.5
            named = {f"{self.config.sample_steps} steps": sampled, "1 step": direct, "interpolated": condition.base}
            for name, values in named.items():
                distance = (values - truth)[:, :DISTANCES].abs().mean()
                color = (values - truth)[:, DISTANCES:].unflatten(1, (3, CHILDREN)).square().mean(1)[near].mean().sqrt()
                a, b = values[:, :DISTANCES] < 0, truth[:, :DISTANCES] < 0
                inside = (a & b).sum() / (a | b).sum().clamp(min=1)
                for key, value in (("distance", distance), ("color", color / 2), ("inside", inside)):
                    sums.setdefault(f"{key}, {name}", []).append(value)
        return {key: float(torch.stack(values).mean()) for key, values in sums.items()}

    def save(self, folder: Path) -> None:
        """Write weights that `SurfaceNetwork.load` reads."""
        self.averaged.save(folder)


class _OfViews:
    """Held-out objects of a data set, with the views that it has first."""

    def __init__(self, dataset: SurfaceDataset) -> None:
        self.dataset = dataset

    def held_out(self, draws: Draws, size: int) -> ViewsWithSurfaces:
        return self.dataset.held_out(draws, size, self.dataset.view_counts[0])


def noisy_volume(volume: Float[Tensor, "B N N N"], most: float, draws: Draws) -> Float[Tensor, "B N N N"]:
    """Truncated distances with smooth noise near the surface, of a standard deviation up to `most`, and blurred a bit.

    Distances in cells; where all cells around are at the truncation, nothing changes.
    """
    count, side = len(volume), volume.shape[-1]
    amplitude, blur = draws.uniform("amplitude", 2, count, 1, 1, 1, 1).to(volume)
    coarse = draws.normal("noise", count, 1, *(side // NOISE_CELLS + 1,) * 3).to(volume)
    noise = functional.interpolate(coarse, volume.shape[1:], mode="trilinear", align_corners=True)
    grid = volume[:, None]
    near = functional.max_pool3d((grid.abs() < 1).float(), 3, stride=1, padding=1)
    blurred = functional.avg_pool3d(functional.pad(grid, (1,) * 6, mode="replicate"), 3, stride=1)
    return (grid.lerp(blurred, blur) + most * amplitude * noise * near).clamp(-1, 1)[:, 0]


def scattered(active: Bool[Tensor, "B N N N"], dropped: float, added: float, draws: Draws) -> Bool[Tensor, "B N N N"]:
    """Active cells, a part of them dropped, and a part of the inactive cells beside them added."""
    near = functional.max_pool3d(active[:, None].float(), 3, stride=1, padding=1)[:, 0] > 0
    value = draws.uniform("cells", *active.shape).to(active.device)
    return torch.where(active, value >= dropped, near & (value < added))
