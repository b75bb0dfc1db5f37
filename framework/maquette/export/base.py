"""The contract of an exporter, and of the subject that it exports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor

from maquette.geometry.splat_cloud import SplatCloud
from maquette.materials.base import Reflectance
from maquette.meshes.mesh import Mesh
from maquette.scene import RenderedViews, Threshold


class Subject(Protocol):
    """A finished object of any representation.

    `bound` is the half side, in scene units, of the axis-aligned cube around the origin that contains it. `extracted`
    says whether its surface is extracted from a volume, and may have small floating parts and inner walls; an explicit
    mesh is exported with all its triangles. Points and normals are float32 on the CPU; results may be on any device.
    """

    bound: float
    extracted: bool

    def surface(self, resolution: int, threshold: Threshold) -> Mesh:
        """The subject's surface, without colours.

        Args:
            resolution: samples of a volume's density along each side of the cube; an explicit mesh ignores both.
            threshold: density of the level set, or how it is chosen.

        Raises:
            RunError: the surface is empty.
        """
        ...

    def textured(self) -> Mesh | None:
        """The subject as it is, if it is an explicit mesh with a texture."""
        ...

    def color(self, points: Tensor, normals: Tensor) -> Tensor:
        """sRGB [n, 3] in [0, 1] at points [n, 3] of a surface with outward unit normals [n, 3]."""
        ...

    def reflectance(self, points: Tensor, normals: Tensor) -> Reflectance | None:
        """Metallic-roughness parameters at the same points; None for a subject with colours alone."""
        ...

    def splats(self, min_opacity: float) -> SplatCloud | None:
        """The Gaussians with an opacity of at least `min_opacity`; None for a subject of another form."""
        ...

    def render(self, azimuth_deg: Sequence[float], elevation_deg: float, size: int) -> RenderedViews:
        """Square pictures of `size` pixels a side that show the whole subject, one per azimuth; 0 is its front."""
        ...


class Exporter(ABC):
    """A part of the kind `exporter`: built from its Config, called once per finished run."""

    @abstractmethod
    def __call__(self, subject: Subject, folder: Path) -> list[Path]:
        """Write files into `folder`, which is created if missing; returns their paths, the most useful one first."""
