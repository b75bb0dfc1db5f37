"""3DGS-MCMC: dead Gaussians are relocated onto live ones, and noise on the positions explores space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.annotations import Count, CountOrNone
from maquette.config.schedules import NonNegativeSchedule, Schedule
from maquette.geometry.base import ChangedRows
from maquette.geometry.densification.base import CloudParameters, Densification
from maquette.kernels.rotations import rotation_matrices
from maquette.kernels.splatting import Projected
from maquette.randomness import Draws, Moment
from maquette.registry import register

SHARPNESS, TRANSPARENT = 100.0, 0.005  # k and 1 - t of the sigmoid that weights the noise
LEAST_OPACITY, MOST_OPACITY = 1e-4, 1 - 1e-6  # of a copy, so that logits stay finite


@register("densification", "mcmc")
class MCMCDensification(Densification):
    """Relocates dead Gaussians onto live ones, adds copies up to a cap, and adds noise to transparent ones.

    A Gaussian is copied with probability proportional to its opacity; opacity and scale of the copies are corrected so
    that together they render like the one (`split_opacity`). After every step the means move by

        lambda eta sigma(-k (o - (1 - t))) Sigma epsilon

    with learning rate eta, covariance Sigma and standard normal epsilon. The losses `splat-opacity` and `splat-scale`
    are the method's regularisers: without them no Gaussian dies.

    Source: Kheradmand et al. 2024 (3DGS-MCMC, arXiv 2404.09591), sec. 3; constants as in gsplat's MCMCStrategy.
    """

    @dataclass(frozen=True)
    class Config:
        every: CountOrNone = 100  # steps between relocations; 0: never, only noise
        dead: NonNegativeSchedule = Schedule((("0%", 0.005), ("83%", 0.0)), "step")  # opacity to relocate one at
        growth: NonNegativeSchedule = Schedule(
            (("0%", 0.05), ("83%", 0.0)), "step"
        )  # fraction of the Gaussians that is added each time
        most: Count = 200_000  # number of Gaussians at most
        noise: NonNegativeSchedule = Schedule.constant(5e5)  # lambda; 0: none

        def __post_init__(self) -> None:
            if any(value >= 1 for _, value in self.dead.points):
                raise ValueError("dead is an opacity below 1")

    def __init__(self, config: Config, count: int) -> None:
        super().__init__()
        self.config = config

    def adapt(
        self,
        cloud: CloudParameters,
        projections: Sequence[Projected],
        moment: Moment,
        learning_rates: Mapping[str, float],
    ) -> list[ChangedRows]:
        c, changes = self.config, []
        if c.every and (moment.step + 1) % c.every == 0:
            for source in (self._relocated, self._grown):
                changes += _copy_gaussians(cloud, source(torch.sigmoid(cloud.opacities), moment))
        noise = c.noise.at(moment) * learning_rates["means"]
        if noise > 0:
            cloud.means.data += noise * exploration_noise(cloud, moment.draws)
        return changes

    def _relocated(self, opacities: Float[Tensor, " n"], moment: Moment) -> Int[Tensor, " n"]:
        dead = opacities <= self.config.dead.at(moment)
        alive = (~dead).nonzero()[:, 0]
        source = torch.arange(len(opacities), device=opacities.device)
        if len(alive):
            source[dead] = alive[_sample_indices(opacities[alive], int(dead.sum()), moment.draws, "relocate")]
        return source

    def _grown(self, opacities: Float[Tensor, " n"], moment: Moment) -> Int[Tensor, " m"]:
        n = len(opacities)
        count = min(self.config.most - n, math.ceil(self.config.growth.at(moment) * n))
        added = _sample_indices(opacities, max(count, 0), moment.draws, "grow")
        return torch.cat([torch.arange(n, device=opacities.device), added])


def _sample_indices(weights: Float[Tensor, " n"], count: int, draws: Draws, stream: str) -> Int[Tensor, " count"]:
    """Random indices with replacement, always drawn on the CPU, to be independent of the device."""
    if not count:
        return torch.zeros(0, dtype=torch.long, device=weights.device)
    indices = torch.multinomial(weights.detach().cpu(), count, replacement=True, generator=draws.generator(stream))
    return indices.to(weights.device)


def _copy_gaussians(cloud: CloudParameters, source: Int[Tensor, " m"]) -> list[ChangedRows]:
    """Replace Gaussian i by a copy of `source[i]`; opacity and scale are corrected where there are several copies."""
    copies = torch.bincount(source, minlength=len(cloud))[source]
    copied = copies > 1
    if not copied.any():
        return []
    opacity, shrink = split_opacity(torch.sigmoid(cloud.opacities.detach()[source[copied]]), copies[copied])
    cloud.select_rows(source)
    cloud.opacities.data[copied] = opacity.clamp(LEAST_OPACITY, MOST_OPACITY).logit()
    cloud.scales.data[copied] += shrink.log()[:, None]
    return [ChangedRows(cloud.all, torch.where(copied, -1, source))]


def split_opacity(
    opacity: Float[Tensor, " n"], copies: Int[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Opacity, and factor on the scales, of each of N copies at one position that together render like one Gaussian.

        o' = 1 - (1 - o)^(1/N)        s' / s = o / sum_{j = 1..N} C(N, j) (-1)^(j + 1) o'^j / sqrt(j)

    so that the opacity at the centre and its integral along a line through it stay the same.

    Source: Kheradmand et al. 2024, eq. 9, with its double sum collected by powers j = k + 1 of o'.

    Example:
        >>> each, shrink = split_opacity(torch.tensor([0.75, 0.75]), torch.tensor([1, 2]))
        >>> each, shrink
        (tensor([0.7500, 0.5000]), tensor([1.0000, 0.9111]))
    """
    whole = opacity.double().clamp(max=MOST_OPACITY)
    each = -torch.expm1(torch.log1p(-whole) / copies)
    total = torch.empty_like(each)
    for n in copies.unique().tolist():  # few numbers, so that one row with many copies takes the memory of one row
        rows = copies == n
        j = torch.arange(1, n + 1, device=copies.device, dtype=torch.float64)
        log_binomial = math.lgamma(n + 1) - torch.lgamma(j + 1) - torch.lgamma(n - j + 1)
        signs = torch.where(j % 2 == 1, 1.0, -1.0)
        total[rows] = ((log_binomial + j * each[rows, None].log()).exp() / j.sqrt() * signs).sum(dim=1)
    return each.to(opacity), (whole / total).to(opacity)


def exploration_noise(cloud: CloudParameters, draws: Draws) -> Float[Tensor, "n 3"]:
    """Displacements sigma(-k (o - (1 - t))) Sigma epsilon of the Gaussians; nearly 0 for opaque ones."""
    now = cloud.cloud
    gate = torch.sigmoid(-SHARPNESS * (now.opacities.detach() - TRANSPARENT))[:, None]
    axes = rotation_matrices(now.quaternions.detach()) * now.extents.detach()[:, None, :]  # R S, Sigma = R S S^T R^T
    epsilon = draws.normal("noise", len(cloud), 3).to(gate)
    return gate * (axes @ (axes.mT @ epsilon[:, :, None]))[:, :, 0]
