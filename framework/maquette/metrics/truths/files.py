"""A true object in files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from maquette.annotations import InputPath
from maquette.data.formats import PosedImages, Reading, load_posed_images
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Front, Placement, Up
from maquette.meshes.reading import read_mesh
from maquette.metrics.base import Truth, TruthForm
from maquette.registry import register


@register("truth", "files")
class TruthFiles(Truth):
    """A mesh file, a folder of posed images, or both.

    The mesh keeps its position and size, as nothing is aligned; glTF is turned to z up. Formats of folders are
    described in docs/multiview.md.
    """

    @dataclass(frozen=True)
    class Config:
        surface: InputPath = ""  # mesh file of the true surface
        views: InputPath = ""  # folder of pictures and cameras
        up: Up = "auto"  # axis of the mesh file that points up; auto: y for glTF, z for other formats
        front: Front = "auto"  # direction of the file that the object faces; auto: +z where y is up, +x where z is
        reading: Reading = field(default_factory=Reading)  # of the folder

        def __post_init__(self) -> None:
            if not (self.surface or self.views):
                raise ValueError("a truth of files has a surface, views or both")
            Placement(self.up, self.front)

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def gives(self) -> tuple[TruthForm, ...]:
        """Those that have a path."""
        forms: tuple[TruthForm, ...] = ("surface", "views")
        return tuple(form for form in forms if getattr(self.config, form))

    def surface(self) -> Mesh:
        placement = Placement(self.config.up, self.config.front, fit="none")
        return read_mesh(self.config.surface, placement, key="truth.surface")

    def views(self) -> PosedImages:
        return load_posed_images(Path(self.config.views), self.config.reading)
