"""Adaptive density control of 3DGS: clones and splits Gaussians with large gradients, prunes transparent ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from maquette.annotations import Count, CountOrNone, NonNegative, OpenFraction
from maquette.config.schedules import NonNegativeSchedule, Schedule
from maquette.geometry.base import ChangedRows, GaussianCloud
from maquette.geometry.densification.base import CloudParameters, Densification
from maquette.kernels.rotations import rotation_matrices
from maquette.kernels.splatting import Projected, ScreenStatistics
from maquette.randomness import Draws, Moment
from maquette.registry import register

SPLIT_SHRINK = 1.6  # factor by which the two parts of a split Gaussian are smaller


@register("densification", "default")
class DefaultDensification(Densification):
    """Clones, splits, prunes and resets Gaussians by screen-space gradient, scale and opacity.

    Source: Kerbl et al. 2023 (3DGS, arXiv 2308.04079), sec. 5. The paper's sizes are in units of the cameras' extent,
    about three times `bound`.
    """

    @dataclass(frozen=True)
    class Config:
        every: CountOrNone = 100  # steps between changes; 0: never
        gradient: Schedule = Schedule(
            (("0%", 2e-4), ("60%", 0.0)), "step"
        )  # screen-space gradient above which one is cloned or split; 0: none is
        clone_below: NonNegative = 0.03  # scale, in units of bound, up to which one is cloned; larger ones are split
        prune: NonNegativeSchedule = Schedule.constant(0.005)  # opacity below which one is removed; 0: none is
        largest: NonNegative = 0.3  # scale, in units of bound, above which one is removed; 0: none is
        largest_on_screen: NonNegative = 0.0  # radius in pixels above which one is removed; 0: none is
        reset_every: CountOrNone = 0  # steps between resets of opacity; 0: never
        reset_to: OpenFraction = 0.01  # largest opacity after a reset
        most: Count = 200_000  # number of Gaussians at most; those with the largest gradients are densified first

        def __post_init__(self) -> None:
            if self.reset_every and not self.every:
                raise ValueError("opacities are reset among the other changes: give every, too")
            if self.reset_every and max(value for _, value in self.prune.points) >= self.reset_to:
                raise ValueError(f"a reset to {self.reset_to:g} would have everything pruned; let prune stay below it")

    def __init__(self, config: Config, count: int) -> None:
        super().__init__()
        self.config = config
        for name in ("gradient", "view_count", "radius"):
            self.register_buffer(name, torch.zeros(count))
        self.gradient: Tensor
        self.view_count: Tensor
        self.radius: Tensor

    def adapt(
        self,
        cloud: CloudParameters,
        projections: Sequence[Projected],
        moment: Moment,
        learning_rates: Mapping[str, float],
    ) -> list[ChangedRows]:
        c = self.config
        if not c.every:
            return []
        statistics = ScreenStatistics(self.gradient, self.view_count.long(), self.radius)
        for view in projections:
            if view.means.grad is not None:  # else no loss of this step is of its rendering
                statistics = statistics.add(view)
        self.gradient, self.radius = statistics.gradient, statistics.radius
        self.view_count = statistics.view_count.float()
        changes = []
        if (moment.step + 1) % c.every == 0:
            changes.append(self._densify(cloud, statistics, moment))
        if c.reset_every and (moment.step + 1) % c.reset_every == 0:
            limit = torch.tensor(c.reset_to).logit()
            cloud.opacities.data = cloud.opacities.data.clamp(max=float(limit))
            afresh = torch.full((len(cloud),), -1, device=cloud.means.device)
            changes.append(ChangedRows([cloud.opacities], afresh))
        return changes

    def _densify(self, parameters: CloudParameters, statistics: ScreenStatistics, moment: Moment) -> ChangedRows:
        cloud = parameters.cloud
        change = plan_changes(self.config, statistics, cloud.extents, cloud.opacities, parameters.bound, moment)
        if not len(change.source):
            change = _keep_one(cloud)  # an empty cloud could never come back
        parameters.select_rows(change.source)
        parts = change.split
        parameters.means.data[parts] = sample_within(
            parameters.means.data[parts],
            parameters.rotations.data[parts],
            cloud.extents[change.source[parts]],
            moment.draws.sub("split"),
        )
        parameters.scales.data[parts] -= torch.tensor(SPLIT_SHRINK).log().to(parameters.scales)
        self.reset(len(parameters), parameters.means.device)
        return ChangedRows(parameters.all, torch.where(change.fresh, -1, change.source))

    def reset(self, count: int, device: torch.device) -> None:
        zeros = torch.zeros(count, device=device)
        self.gradient, self.view_count, self.radius = zeros, zeros.clone(), zeros.clone()


@dataclass(frozen=True)
class CloudChange:
    """A change of the cloud: new Gaussian i is a copy of old Gaussian `source[i]`, displaced and shrunk if split.

    Args:
        source: index of the old Gaussian [m].
        fresh: whether it is new, so that the optimiser's moments start at 0 [m].
        split: whether it is a part of a split Gaussian: smaller, at a random position within it [m].
    """

    source: Int[Tensor, " m"]
    fresh: Bool[Tensor, " m"]
    split: Bool[Tensor, " m"]


def plan_changes(
    settings: DefaultDensification.Config,
    statistics: ScreenStatistics,
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    bound: float,
    moment: Moment,
) -> CloudChange:
    """Choose which Gaussians are kept, removed, cloned and split.

    Args:
        statistics: over the views since the last change; gradients per pixel.
        scales, opacities: of the current Gaussians; the third scale of disks is 0.
        bound: half side of the scene's cube, the unit of sizes.
    """
    size = scales.amax(dim=-1)
    keep = opacities >= settings.prune.at(moment)
    if settings.largest > 0:
        keep &= size <= settings.largest * bound
    if settings.largest_on_screen > 0:
        keep &= statistics.radius <= settings.largest_on_screen
    grow = _growing(settings, statistics, keep, moment)
    split = grow & (size > settings.clone_below * bound)
    stay, cloned, parted = ((keep & ~split).nonzero()[:, 0], (grow & ~split).nonzero()[:, 0], split.nonzero()[:, 0])
    source = torch.cat([stay, cloned, parted, parted])
    index = torch.arange(len(source), device=source.device)
    return CloudChange(source, index >= len(stay), index >= len(stay) + len(cloned))


def _growing(
    settings: DefaultDensification.Config, statistics: ScreenStatistics, keep: Bool[Tensor, " n"], moment: Moment
) -> Bool[Tensor, " n"]:
    threshold = settings.gradient.at(moment)
    if threshold <= 0:
        return torch.zeros_like(keep)
    gradient = statistics.mean_gradient
    grow = keep & (gradient >= threshold)
    room = max(settings.most - int(keep.sum()), 0)  # clone and split both add one
    if int(grow.sum()) > room:
        chosen = torch.where(grow, gradient, -1.0).topk(room).indices
        grow = torch.zeros_like(keep).index_fill(0, chosen, True)
    return grow


def _keep_one(cloud: GaussianCloud) -> CloudChange:
    no = torch.zeros(1, dtype=torch.bool, device=cloud.means.device)
    return CloudChange(cloud.opacities.argmax()[None], no, no)


def sample_within(
    means: Float[Tensor, "n 3"], quaternions: Float[Tensor, "n 4"], scales: Float[Tensor, "n 3"], draws: Draws
) -> Float[Tensor, "n 3"]:
    """A random position in each Gaussian, from its normal distribution."""
    local = draws.normal("places", len(means), 3).to(means) * scales
    return means + (rotation_matrices(quaternions) @ local[:, :, None])[:, :, 0]
