"""The subject's surface as a textured mesh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maquette.export.base import Subject
from maquette.export.clean import clean
from maquette.export.texture import bake, color_vertices, unwrap
from maquette.export.writers import write_glb, write_obj, write_ply
from maquette.registry import register


@register("exporter", "mesh")
class MeshExporter:
    """Textured mesh: isosurface, clean-up, decimation, UV atlas, baked texture; `mesh.glb`, `mesh.obj`, `mesh.ply`."""

    @dataclass(frozen=True)
    class Config:
        resolution: int = 128  # samples of the density along each side of the bounding cube
        threshold: float | Literal["auto"] = "auto"  # density of the surface; auto: half of what is typical inside
        texture_size: int = 512  # side of the texture in texels
        max_faces: int = 30_000  # decimate to about this many faces
        smoothing: int = 0  # Taubin iterations before decimation
        formats: tuple[Literal["glb", "obj", "ply"], ...] = ("glb", "obj")  # files to write; ply has vertex colours
        min_component: float = 0.05  # drop pieces smaller than this fraction of the largest one's area

        def __post_init__(self) -> None:
            if self.resolution < 8:
                raise ValueError(f"resolution must be 8 or more, not {self.resolution}")
            if self.texture_size < 16:
                raise ValueError(f"texture_size must be 16 or more, not {self.texture_size}")
            if not 0 <= self.min_component <= 1:
                raise ValueError(f"min_component must lie in [0, 1], not {self.min_component:g}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, subject: Subject, folder: Path) -> list[Path]:
        """Extract, clean, texture and write; see `Exporter`."""
        config = self.config
        mesh = subject.surface(config.resolution, config.threshold)
        mesh = clean(mesh, config.min_component, config.max_faces, config.smoothing)
        written: list[Path] = []
        if {"glb", "obj"} & set(config.formats):
            textured = bake(unwrap(mesh, config.texture_size), subject.color, config.texture_size)
            written += [write_glb(folder / "mesh.glb", textured)] if "glb" in config.formats else []
            written += write_obj(folder / "mesh.obj", textured) if "obj" in config.formats else []
        if "ply" in config.formats:
            written.append(write_ply(folder / "mesh.ply", color_vertices(mesh, subject.color)))
        return written
