"""Export of the subject's Gaussians for splat viewers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maquette.annotations import Fraction
from maquette.errors import RunError
from maquette.export.base import Exporter, Subject
from maquette.export.splats import write_splat, write_splat_ply
from maquette.meshes.mesh import EmptySurface
from maquette.registry import register


@register("exporter", "splats")
class SplatsExporter(Exporter):
    """Every Gaussian of a cloud: `splats.ply` in the layout of 3DGS, and `splats.splat`."""

    @dataclass(frozen=True)
    class Config:
        formats: tuple[Literal["ply", "splat"], ...] = ("ply", "splat")  # files to write
        min_opacity: Fraction = 0.005  # Gaussians with a lower opacity are omitted

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, subject: Subject, folder: Path) -> list[Path]:
        """Write; see `Exporter`."""
        cloud = subject.splats(self.config.min_opacity)
        if cloud is None:
            raise RunError("this scene has no Gaussians; let its last stage have geometry: gaussians")
        if not len(cloud):
            least = self.config.min_opacity
            raise EmptySurface(f"no Gaussian has an opacity of {least:g} or more; no splats are written")
        write = {"ply": write_splat_ply, "splat": write_splat}
        return [write[kind](folder / f"splats.{kind}", cloud) for kind in self.config.formats]
