"""A cloud of 3D Gaussians (3DGS) or disks (2DGS), densified during optimisation."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Channels, Count, InputPath, OpenFraction, Positive, Range
from maquette.config.parts import DensificationSpec, part_field
from maquette.config.schedules import NonNegativeSchedule, Schedule
from maquette.errors import ConfigError
from maquette.geometry.base import ChangedRows, GaussianCloud, Splats
from maquette.geometry.densification.base import CloudParameters, Densification
from maquette.geometry.splat_cloud import SplatCloud
from maquette.geometry.splat_reading import holds_splats, inspect_splats
from maquette.kernels.splatting import HARMONIC_0, Projected
from maquette.kernels.splatting.harmonics import harmonic_basis
from maquette.meshes.points import read_points
from maquette.randomness import Moment
from maquette.registry import register

_log = logging.getLogger(__name__)


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
        points: InputPath = (
            ""  # file that replaces the initial ball: points, a mesh, or Gaussians (.ply of 3DGS, .splat)
        )
        opacity: OpenFraction = 0.1  # at the start, where no file of Gaussians gives it
        flat: bool = False  # disks instead of ellipsoids
        degree: Annotated[int, Range(0, 3)] = 0  # of the spherical harmonics; 0: no dependence on the view, 3: as 3DGS
        active_degree: NonNegativeSchedule = Schedule.constant(3)  # degree in use, rounded down
        channels: Channels = 3  # features for the material
        densification: DensificationSpec = part_field(
            "densification", "default"
        )  # strategy that adds and removes Gaussians

        def __post_init__(self) -> None:
            if self.points and not Path(self.points).expanduser().is_file():
                raise ValueError(f"points: there is no file {self.points}")

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.bound, self.channels = config, config.bound, config.channels
        self._active = config.degree
        stored = _stored_cloud(config) if config.points and holds_splats(config.points) else None
        positions, colors = _start_points(config) if stored is None else (stored.means, None)
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
        if stored is not None:
            self.replace(stored)

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


def _start_points(config: Gaussians.Config) -> tuple[Tensor, Tensor | None]:
    """Positions [n, 3] and colours [n, 3] or None of the start."""
    if not config.points:
        return _points_in_ball(config.count, config.radius), None
    positions, colors = read_points(config.points, "geometry.points")
    inside = _inside(positions, config)
    return positions[inside], None if colors is None else colors[inside]


def _inside(positions: Tensor, config: Gaussians.Config) -> Tensor:
    """Which points [n] lie within the bound; a few others are left out.

    Raises:
        ConfigError: most do not.
    """
    inside = (positions.abs() <= config.bound).all(1)
    missed = int((~inside).sum())
    if 2 * missed > len(positions):
        raise ConfigError(
            f"{missed} of {len(positions)} points lie beyond the bound {config.bound:g}; they reach "
            f"{float(positions.abs().max()):.4g}", key="geometry.points", file=config.points,
            hint="scale and centre the file, or make bound larger",
        )  # fmt: skip
    if missed:
        _log.warning(
            "%s: %d of %d points lie beyond the bound %g and are left out", config.points, missed, len(positions),
            config.bound,
        )  # fmt: skip
    return inside


def _stored_cloud(config: Gaussians.Config) -> GaussianCloud:
    """The cloud of a file of Gaussians."""
    cloud = inspect_splats(config.points, "geometry.points").unwrap(config.points)
    if cloud.harmonics.shape[1] > (config.degree + 1) ** 2:
        _log.warning("%s: spherical harmonics beyond geometry.degree=%d are left out", config.points, config.degree)
    return with_features(cloud, config)


def with_features(cloud: SplatCloud, config: Gaussians.Config) -> GaussianCloud:
    """The Gaussians within the bound, their colours as the inputs of a material that takes their sigmoid."""
    inside = _inside(torch.from_numpy(np.asarray(cloud.means)), config).numpy()
    columns = (cloud.means, cloud.quaternions, cloud.scales, cloud.opacities, cloud.harmonics)
    means, quaternions, scales, opacities, harmonics = (torch.from_numpy(column[inside]).float() for column in columns)
    harmonics = harmonics[:, : (config.degree + 1) ** 2]
    features = _inputs_of_colors(harmonics)
    padding = features.new_zeros(*features.shape[:2], max(config.channels - 3, 0))
    features = torch.cat([features, padding], dim=-1)[..., : config.channels]
    return GaussianCloud(means, quaternions, scales, opacities, features, config.flat)


def _inputs_of_colors(harmonics: Float[Tensor, "n K 3"]) -> Float[Tensor, "n K 3"]:
    """Harmonics of the logits of colours whose own harmonics, of colour - 0.5, are those."""
    if harmonics.shape[1] == 1:
        return (0.5 + HARMONIC_0 * harmonics).clamp(0.01, 0.99).logit() / HARMONIC_0
    directions = torch.from_numpy(_directions()).float()
    basis = harmonic_basis(directions, round(harmonics.shape[1] ** 0.5) - 1)
    inverse = torch.linalg.pinv(basis)
    logits = [
        torch.einsum("kd,ndc->nkc", inverse, (0.5 + torch.einsum("dk,nkc->ndc", basis, some)).clamp(0.01, 0.99).logit())
        for some in harmonics.split(2**16)
    ]
    return torch.cat(logits)


def _directions() -> np.ndarray:
    """Unit vectors spread over the sphere [42, 3]."""
    import trimesh

    return np.asarray(trimesh.creation.icosphere(1).vertices)


def _points_in_ball(count: int, radius: float) -> Float[Tensor, "n 3"]:
    directions = torch.nn.functional.normalize(torch.randn(count, 3), dim=-1)
    return directions * radius * torch.rand(count, 1).pow(1 / 3)
