"""The contracts of geometries: fields, surfaces and splats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from maquette.config.capabilities import Capabilities, form
from maquette.kernels.rasterise import Raster
from maquette.kernels.splatting import Projected
from maquette.randomness import Moment
from maquette.registry import assigned


@dataclass(frozen=True)
class FieldSample:
    """A field at n points.

    Args:
        density: [n], 0 or more, per scene unit.
        features: [n, F], inputs of the material, not activated.
        normal: [n, 3] outward unit normals, or None when not requested.
        sdf: [n] signed distances in scene units, negative inside; None for density fields.
        gradient: [n, 3] of the signed distance, of any length; None when it was not computed.
    """

    density: Float[Tensor, " n"]
    features: Float[Tensor, "n F"]
    normal: Float[Tensor, "n 3"] | None = None
    sdf: Float[Tensor, " n"] | None = None
    gradient: Float[Tensor, "n 3"] | None = None


class Geometry(nn.Module, ABC):
    """The shape of an object within the cube of half side `bound`. Parts derive from `Field`, `Surface` or `Splats`."""

    form: Literal["field", "surface", "splats"]  # selects renderers and conversions
    bound: float  # half side of the cube, scene units
    channels: int  # features F at each point

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """Its form, the number of its features, and the quantities that it gives to losses."""
        return Capabilities(gives=frozenset({form(cls.form)}), feature_channels=getattr(config, "channels", 0))

    @classmethod
    def lacks(cls) -> list[str]:
        """Class attributes that a subclass has to set before it can be registered."""
        return [f"a value for {name}" for name in ("form", "bound", "channels") if not assigned(cls, name)]

    def prepare(self, moment: Moment) -> None:
        """Update what depends on the step, such as progressive levels; called before each step."""

    def after_step(self, moment: Moment) -> list[ChangedRows]:
        """Change parameters after the optimiser's step, such as by smoothing or refining them.

        Args:
            moment: the step that has been made.

        Returns:
            Parameters whose rows were exchanged, for the optimiser's moments.
        """
        return []

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the name under which a stage gives them a learning rate."""
        return {"geometry": list(self.parameters())}


class Field(Geometry):
    """Geometry with a density and features at every point of the cube."""

    form = "field"

    @abstractmethod
    def query(self, points: Float[Tensor, "n 3"], normals: bool = False) -> FieldSample:
        """Density and features at `points`; normals too if `normals` is true."""

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Density at `points`, per scene unit."""
        return self.query(points).density

    def section_density(
        self, sample: FieldSample, directions: Float[Tensor, "n 3"], deltas: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Density of ray sections of length `deltas` along unit `directions`; by default it ignores the direction."""
        return sample.density


@dataclass(frozen=True)
class SurfaceMesh:
    """A triangle mesh of tensors, differentiable in its vertices.

    Args:
        vertices: [V, 3], world frame.
        triangles: [F, 3] int64, counter-clockwise from outside.
    """

    vertices: Float[Tensor, "V 3"]
    triangles: Int[Tensor, "F 3"]

    def face_normals(self) -> Float[Tensor, "F 3"]:
        """Unit normals of the triangles; zero for degenerate ones."""
        a, b, c = self.vertices[self.triangles].unbind(1)
        return functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1, eps=1e-12)

    def vertex_normals(self) -> Float[Tensor, "V 3"]:
        """Unit normals at the vertices: area-weighted means of the adjacent triangles' normals."""
        a, b, c = self.vertices[self.triangles].unbind(1)
        area = torch.linalg.cross(b - a, c - a)
        total = torch.zeros_like(self.vertices)
        for corner in range(3):
            total = total.index_add(0, self.triangles[:, corner], area)
        return functional.normalize(total, dim=-1, eps=1e-12)

    @cached_property
    def edges(self) -> tuple[Int[Tensor, "E 2"], Int[Tensor, "E 2"]]:
        """Vertices [E, 2] and triangles [E, 2] of each edge that belongs to exactly two triangles."""
        a, b = self.triangles.reshape(-1), self.triangles[:, [1, 2, 0]].reshape(-1)
        low, high = torch.minimum(a, b), torch.maximum(a, b)
        code, order = (low * max(len(self.vertices), 1) + high).sort(stable=True)
        _, count = torch.unique_consecutive(code, return_counts=True)
        first = (count.cumsum(0) - count)[count == 2]
        one, other = order[first], order[first + 1]
        return torch.stack([low[one], high[one]], dim=-1), torch.stack([one // 3, other // 3], dim=-1)


class Surface(Geometry):
    """Geometry that is a triangle mesh, with features at points on it."""

    form = "surface"
    filters: bool = False  # whether `features_at` needs the raster's derivatives
    explicit: bool = False  # whether its triangles are parameters rather than extracted from a field

    @abstractmethod
    def mesh(self) -> SurfaceMesh:
        """The current surface; may be empty."""

    @abstractmethod
    def features(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n F"]:
        """Inputs of the material at points on the surface, not activated."""

    def features_at(self, points: Float[Tensor, "n 3"], raster: Raster, backend: str = "auto") -> Float[Tensor, "n F"]:
        """Features at the n covered pixels of a raster of `mesh()`; a textured surface filters them by the raster."""
        return self.features(points)


@dataclass(frozen=True)
class GaussianCloud:
    """Anisotropic 3D Gaussians, or disks (2DGS), with spherical harmonics of their features.

    Args:
        means: [n, 3], world frame.
        quaternions: rotations (w, x, y, z) of any length [n, 4].
        scales: standard deviations along the rotated axes, in scene units [n, 3]; disks ignore the third.
        opacities: [n] in [0, 1].
        harmonics: spherical harmonics of the material's inputs [n, (degree + 1)^2, F], not activated.
        flat: whether they are disks (2DGS).
    """

    means: Float[Tensor, "n 3"]
    quaternions: Float[Tensor, "n 4"]
    scales: Float[Tensor, "n 3"]
    opacities: Float[Tensor, " n"]
    harmonics: Float[Tensor, "n K F"]
    flat: bool = False

    def __len__(self) -> int:
        return len(self.means)

    def to(self, device: torch.device | str) -> GaussianCloud:
        """The same cloud on another device."""
        return GaussianCloud(
            self.means.to(device), self.quaternions.to(device), self.scales.to(device), self.opacities.to(device),
            self.harmonics.to(device), self.flat,
        )  # fmt: skip

    @property
    def extents(self) -> Float[Tensor, "n 3"]:
        """Scales along all three axes; disks have a hundredth of the larger one along the normal."""
        if not self.flat:
            return self.scales
        thickness = self.scales[:, :2].amax(-1, keepdim=True) / 100
        return torch.cat([self.scales[:, :2], thickness], dim=-1)

    @property
    def degree(self) -> int:
        """Degree of the spherical harmonics."""
        return round(self.harmonics.shape[1] ** 0.5) - 1


class Splats(Geometry):
    """Geometry made of Gaussians; their number may change during optimisation."""

    form = "splats"

    @abstractmethod
    def splats(self) -> GaussianCloud:
        """The current Gaussians."""

    def adapt(
        self, projections: Sequence[Projected], moment: Moment, learning_rates: Mapping[str, float]
    ) -> list[ChangedRows]:
        """Densify and prune the cloud after a step, by statistics of the views it was rendered in.

        Args:
            projections: of the Gaussians into each of the step's views, after the backward pass.
            moment: the step.
            learning_rates: of the step, by the names of `groups`.

        Returns:
            Parameters whose rows were exchanged, for the optimiser's moments.
        """
        return []


@dataclass(frozen=True)
class ChangedRows:
    """Parameters whose rows were exchanged between two steps; an optimiser reorders its moments accordingly.

    Args:
        parameters: with their new values, n rows each.
        rows: index of the old row that became row i, or -1 for a new one [n].
    """

    parameters: list[nn.Parameter]
    rows: Int[Tensor, " n"]
