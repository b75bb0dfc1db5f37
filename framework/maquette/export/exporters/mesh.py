"""Export of the subject's surface as a textured mesh."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from maquette.export.base import Exporter, Subject
from maquette.export.meshed import MeshedSubject, MeshSettings, surface_mesh, textured_mesh
from maquette.export.usdz import INSTALL_USD, can_write_usdz, write_usdz
from maquette.export.writers import write_glb, write_obj, write_ply
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import color_vertices
from maquette.registry import register

Format = Literal["glb", "obj", "ply", "usdz"]


@register("exporter", "mesh")
class MeshExporter(Exporter):
    """A textured mesh `mesh.glb`, `mesh.obj` ...: isosurface, clean-up, decimation, UV atlas, baked texture.

    If the subject has metallic and roughness, `.glb` and `.usdz` have a texture of them too.
    """

    @dataclass(frozen=True)
    class Config(MeshSettings):
        formats: tuple[Format, ...] = ("glb", "obj")  # files to write; ply has vertex colours, usdz needs usd-core

        def __post_init__(self) -> None:
            if "usdz" in self.formats and not can_write_usdz():
                raise ValueError(f"formats: {INSTALL_USD}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, subject: Subject, folder: Path) -> list[Path]:
        """Extract, clean, texture and write; see `Exporter`."""
        config, written = self.config, list[Path]()
        if {"glb", "obj", "usdz"} & set(config.formats):
            textured = self._textured(subject)
            written += [write_glb(folder / "mesh.glb", textured)] if "glb" in config.formats else []
            written += write_obj(folder / "mesh.obj", textured) if "obj" in config.formats else []
            written += [write_usdz(folder / "mesh.usdz", textured)] if "usdz" in config.formats else []
        if "ply" in config.formats:
            mesh = surface_mesh(subject, self.settings)
            written.append(write_ply(folder / "mesh.ply", color_vertices(mesh, subject.color)))
        return written

    @property
    def settings(self) -> MeshSettings:
        """How the mesh is made, without how it is written."""
        return MeshSettings(**{field.name: getattr(self.config, field.name) for field in fields(MeshSettings)})

    def _textured(self, subject: Subject) -> Mesh:
        if isinstance(subject, MeshedSubject) and subject.settings == self.settings:
            return subject.mesh()
        return textured_mesh(subject, self.settings)
