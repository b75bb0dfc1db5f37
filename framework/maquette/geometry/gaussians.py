"""A cloud of 3D Gaussians (3DGS) or disks (2DGS), densified during optimisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Channels, Count, InputPath, OpenFraction, Positive, Range
from maquette.config.parts import DensificationSpec, part_field
from maquette.config.schedules import NonNegativeSchedule, Schedule
from maquette.geometry.base import ChangedRows, GaussianCloud, Splats
from maquette.geometry.densification.base import CloudParameters, Densification
from maquette.kernels.splatting import HARMONIC_0, Projected
from maquette.meshes.points import read_points
from maquette.randomness import Moment
from maquette.registry import register


@register("geometry", "gaussians")
class Gaussians(Splats):
    """Means, rotations, scales (as logarithms), opacities (as logits) and spherical harmonics of the colour.

    Source: Kerbl et al. 2023 (3DGS, arXiv 2308.04079); disks: Huang et al. 2024 (2DGS, arXiv 2403.17888); the initial
    ball: Tang et al. 2023 (DreamGaussian, arXiv 2309.16653), sec. 4.1.
    """

    @dataclass(frozen=True)
    class Config:
        bound: Positive = 1.0  # half side of the cube that holds the object, scene units
        count: Count = 5000  # Gaussians at the start
        radius: Positive = 0.5  # of the initial ball, scene units
        points: InputPath = ""  # path of a point cloud or mesh (.ply, .obj, .glb) that replaces the initial ball
        opacity: OpenFraction = 0.1  # at the start
        flat: bool = False  # disks instead of ellipsoids
        degree: Annotated[int, Range(0, 3)] = 0  # of the spherical harmonics; 0: no dependence on the view, 3: as 3DGS
        active_degree: NonNegativeSchedule = Schedule.constant(3)  # degree in use, rounded down
        channels: Channels = 3  # features for the material
        densification: DensificationSpec = part_field(
            "densification", "default"
        )  # strategy that adds and removes Gaussians

        def __post_init__(self) -> None:
            if self.points and not Path(self.points).is_file():
                raise ValueError(f"points: there is no file {self.points}")

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.bound, self.channels = config, config.bound, config.channels
        self._active = config.degree
        positions, colors = (
            read_points(config.points) if config.points else (_points_in_ball(config.count, config.radius), None)
        )
        n = len(positions)
        self.means = nn.Parameter(positions)
        self.scales = nn.Parameter(neighbour_distance(positions).log()[:, None].repeat(1, 3))
        self.rotations = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(n, 1))
        self.opacities = nn.Parameter(torch.full((n,), config.opacity).logit())
        first = torch.zeros(n, 1, config.channels)
        if colors is not None:
            first[:, 0, :3] = colors.clamp(0.01, 0.99).logit() / HARMONIC_0
        self.features = nn.Parameter(first)
        self.harmonics = nn.Parameter(torch.zeros(n, (config.degree + 1) ** 2 - 1, config.channels))
        self.densification: Densification = config.densification.build(count=n)

    def prepare(self, moment: Moment) -> None:
        self._active = min(self.config.degree, int(self.config.active_degree.at(moment)))

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return {name: [parameter] for name, parameter in self.named_parameters()}

    def splats(self) -> GaussianCloud:
        harmonics = torch.cat([self.features, self.harmonics], dim=1)[:, : (self._active + 1) ** 2]
        return GaussianCloud(
            self.means, self.rotations, self.scales.exp(), torch.sigmoid(self.opacities), harmonics, self.config.flat
        )

    @torch.no_grad()
    def replace(self, cloud: GaussianCloud) -> None:
        """Take over another cloud; missing harmonics are zero, those beyond the config's degree are dropped."""
        self.means.data = cloud.means.clone()
        self.rotations.data = cloud.quaternions.clone()
        self.scales.data = cloud.scales.log()
        self.opacities.data = cloud.opacities.clamp(1e-4, 1 - 1e-4).logit()
        rest = self.harmonics.new_zeros(len(cloud), *self.harmonics.shape[1:])
        common = min(rest.shape[1], cloud.harmonics.shape[1] - 1)
        rest[:, :common] = cloud.harmonics[:, 1 : 1 + common]
        self.features.data, self.harmonics.data = cloud.harmonics[:, :1].clone(), rest
        self.densification.reset(len(cloud), self.means.device)

    @torch.no_grad()
    def adapt(
        self, projections: Sequence[Projected], moment: Moment, learning_rates: Mapping[str, float]
    ) -> list[ChangedRows]:
        cloud = CloudParameters(
            self.means, self.rotations, self.scales, self.opacities, self.features, self.harmonics, self.config.flat,
            self.bound,
        )  # fmt: skip
        return self.densification.adapt(cloud, projections, moment, learning_rates)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """A stored cloud may have another number of Gaussians."""
        for name, own in [*self.named_parameters(), *self.named_buffers()]:
            stored = state.get(prefix + name)
            if stored is not None and stored.shape[1:] == own.shape[1:]:
                own.data = torch.empty(stored.shape, dtype=own.dtype, device=own.device)
        super()._load_from_state_dict(state, prefix, *rest)


def neighbour_distance(points: Float[Tensor, "n 3"], neighbours: int = 3) -> Float[Tensor, " n"]:
    """Root mean square distance of each point to its nearest neighbours, scene units; the initial scale of 3DGS."""
    from scipy.spatial import cKDTree

    if len(points) <= neighbours:
        return torch.full((len(points),), 0.1)
    distances, _ = cKDTree(points.numpy()).query(points.numpy(), k=neighbours + 1)
    return torch.from_numpy(distances[:, 1:]).square().mean(-1).sqrt().clamp(min=1e-4).float()


def _points_in_ball(count: int, radius: float) -> Float[Tensor, "n 3"]:
    directions = torch.nn.functional.normalize(torch.randn(count, 3), dim=-1)
    return directions * radius * torch.rand(count, 1).pow(1 / 3)
