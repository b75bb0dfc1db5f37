"""Distances and colours from posed views by the two diffusion models of One-2-3-45++."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Count, NonNegative, WeightsPath
from maquette.data.formats import PosedImages
from maquette.diffusion.samplers import SamplerName
from maquette.errors import ConfigError
from maquette.generators.base import DistanceGrid, Generator
from maquette.generators.one2345.shape_network import ShapeNetwork, sample_shape
from maquette.generators.one2345.surface_network import (
    ACTIVE,
    CHILDREN,
    COLORS,
    DISTANCES,
    SurfaceNetwork,
    sample_tokens,
)
from maquette.generators.one2345.tower import Tower
from maquette.generators.reconstructor import framed
from maquette.kernels.devices import choose_device
from maquette.perception.reconstructor import Architecture
from maquette.perception.volume_unet import fold, unfold
from maquette.priors.base import Request
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.loading import check_path


@register("generator", "one2345")
class One2345(Generator):
    """Samples a coarse volume from the stage's views, then distances and colours of cells of half the size near it.

    The views may be any number, from any directions all around; the last one is taken for the picture that the object
    is made from, and gives the global condition. They are laid over white and brought to the size of the training
    pictures. Without weights of stage two, the coarse volume is the result, without colours.

    Source: Liu et al. 2023 (One-2-3-45++, arXiv 2311.07885), sec. 3.2 and 3.3.
    """

    @dataclass(frozen=True)
    class Config:
        shape: WeightsPath  # stage one, as the learner `one2345-shape` saved it: a plugin's name, or a folder
        surface: WeightsPath = ""  # stage two, as the learner `one2345-surface` saved it; empty: stage one alone
        shape_steps: Count = 10  # sampler steps of stage one; 1: its prediction from pure noise, an average
        surface_steps: Count = 10  # sampler steps of stage two
        sampler: SamplerName = "ddim"  # of both stages
        grow: NonNegative = 0.1  # coarse cells by which the surface is moved outward: averages make thin parts thinner
        device: Literal["auto", "cpu", "cuda"] = "auto"  # where to compute

        def __post_init__(self) -> None:
            check_path(self.shape)
            if self.surface:
                check_path(self.surface)

    def __init__(self, config: Config) -> None:
        self.config = config

    @torch.no_grad()
    def generate(self, request: Request, views: PosedImages | None, draws: Draws) -> DistanceGrid:
        """Distances in scene units at the centres of a cube's cells, truncated at the side of a coarse cell."""
        if views is None or not len(views):
            raise ConfigError(
                "One-2-3-45++ makes an object of views, and there are none", key="start",
                hint="let a stage of type sample come before, or give data of posed images",
            )  # fmt: skip
        config, device = self.config, choose_device(self.config.device)
        network = ShapeNetwork.load(config.shape, "start.shape").to(device)
        fine = SurfaceNetwork.load(config.surface, "start.surface").to(device) if config.surface else None
        if fine is not None:
            _check_cubes(network.architecture, fine.architecture)
        images, cameras = framed(views.to(device), network.architecture.size)
        embedding = Tower(network.architecture.tower).to(device)(images[-1:])
        condition = network.condition(images[None], cameras, embedding)
        coarse = sample_shape(network, condition, config.shape_steps, draws.sub("shape"), config.sampler)
        if fine is None:
            return distance_grid(coarse[0], None, network.architecture, config.grow)
        active = coarse.abs() < ACTIVE
        tokens = fine.condition(images[None], cameras, embedding, coarse, active)
        values = sample_tokens(fine, tokens, config.surface_steps, draws.sub("surface"), config.sampler)
        return refined_grid(coarse[0], active[0], values, fine.architecture, config.grow)


def refined_grid(
    coarse: Float[Tensor, "N N N"],
    active: Bool[Tensor, "N N N"],
    values: Float[Tensor, "n 32"],
    architecture: Architecture,
    grow: float,
) -> DistanceGrid:
    """The grid of twice the resolution: what stage two made of the active cells, elsewhere stage one interpolated."""
    cells, side = active.nonzero(as_tuple=True), 2 * len(coarse)
    smooth = functional.interpolate(coarse[None, None], size=(side,) * 3, mode="trilinear", align_corners=False)[0, 0]
    distances = _placed(fold(smooth[None, None])[0], cells, values[:, :DISTANCES])[0]
    colors = _placed(values.new_zeros(COLORS, *coarse.shape), cells, values[:, DISTANCES:])
    filled = _placed(values.new_zeros(CHILDREN, *coarse.shape), cells, torch.ones_like(values[:, :CHILDREN]))[0] > 0
    colors = spread((colors.movedim(0, -1) / 2 + 0.5).clamp(0, 1), filled)
    return distance_grid(distances, colors, architecture, grow)


def _placed(
    folded: Float[Tensor, "K N N N"], cells: tuple[Tensor, ...], values: Float[Tensor, "n K"]
) -> Float[Tensor, "C M M M"]:
    """The unfolded grid with the values in its cells."""
    x, y, z = cells
    folded = folded.clone()
    folded[:, x, y, z] = values.T
    return unfold(folded[None])[0]


def spread(colors: Float[Tensor, "M M M 3"], filled: Bool[Tensor, "M M M"]) -> Float[Tensor, "M M M 3"]:
    """Colours of all cells: where they are not filled, those of the nearest cell that is."""
    if not filled.any():
        return torch.full_like(colors, 0.5)
    index = distance_transform_edt(~filled.cpu().numpy(), return_distances=False, return_indices=True)
    x, y, z = torch.from_numpy(np.ascontiguousarray(index)).long().to(colors.device)
    return colors[x, y, z]


def distance_grid(
    distances: Float[Tensor, "M M M"], colors: Float[Tensor, "M M M 3"] | None, architecture: Architecture, grow: float
) -> DistanceGrid:
    """Distances in coarse cells as a grid over the cube, in scene units."""
    cell = 2 * architecture.bound / len(distances)
    low = cell / 2 - architecture.bound
    values = (distances - grow).clamp(-1, 1) * architecture.cell
    return DistanceGrid(values.cpu(), (low, low, low), cell, None if colors is None else colors.cpu())


def _check_cubes(coarse: Architecture, fine: Architecture) -> None:
    if (coarse.bound, coarse.resolution, coarse.size) != (fine.bound, fine.resolution, fine.size):
        raise ConfigError(
            f"stage two refines a cube of half side {fine.bound:g} with {fine.resolution} cells a side, from pictures "
            f"of {fine.size} pixels, and stage one makes one of {coarse.bound:g} with {coarse.resolution}, from "
            f"{coarse.size} pixels", key="start.surface", hint="give stages that were trained on one data set",
        )  # fmt: skip
