"""What an exporter is given and what it gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from torch import Tensor

from maquette.geometry.splat_cloud import SplatCloud
from maquette.materials.base import Reflectance
from maquette.meshes.mesh import Mesh
from maquette.scene import RenderedViews


class Subject(Protocol):
    """A finished object, whatever it is made of.

    `bound` is the half side, in scene units, of the axis-aligned cube around the origin that holds it. `extracted` says
    whether its surface is found in something that fills space, and may come with crumbs and hidden walls; given
    triangles are all meant, closed or not. Points and normals come as float32 on the CPU; the subject moves them where
    it computes, and may answer from there.
    """

    bound: float
    extracted: bool

    def surface(self, resolution: int, threshold: float | Literal["auto"]) -> Mesh:
        """The subject's boundary, without colours. Volumes sample their density `resolution` times along each side of
        the cube and take the level set `threshold`; what is a mesh already ignores both. RunError when there is none.
        """
        ...

    def color(self, points: Tensor, normals: Tensor) -> Tensor:
        """sRGB [n, 3] in [0, 1] at points [n, 3] of a surface with outward unit normals [n, 3]."""
        ...

    def reflectance(self, points: Tensor, normals: Tensor) -> Reflectance | None:
        """What a metallic-roughness material is at the same points; None for a subject that has only colours."""
        ...

    def splats(self, min_opacity: float) -> SplatCloud | None:
        """The Gaussians that are at least so opaque; None for a subject that is made of something else."""
        ...

    def render(self, azimuth_deg: Sequence[float], elevation_deg: float, size: int) -> RenderedViews:
        """Square pictures with `size` pixels a side, one per azimuth (0 sees the front), framing the whole subject."""
        ...


class Exporter(ABC):
    """A part of the kind `exporter`: made from its Config, called once per finished run."""

    @abstractmethod
    def __call__(self, subject: Subject, folder: Path) -> list[Path]:
        """Write into `folder`, made if missing; the files, the most useful one first."""
