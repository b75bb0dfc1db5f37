"""Export of the finished scene to mesh, point, splat, image and video files."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from maquette.config.parts import ExporterSpec
from maquette.errors import RunError
from maquette.export.drawing import MeshDrawing
from maquette.export.scenes import export_scene
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import unwrap
from maquette.registry import register
from maquette.stages.base import Stage, StageContext


@register("stage", "export")
class Export(Stage):
    """Export the scene of the previous stages; files go to `export/` in the run folder."""

    changeable = ("*",)

    @dataclass(frozen=True)
    class Config:
        exporters: dict[str, ExporterSpec] = field(default_factory=dict)

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, context: StageContext) -> None:
        scene = context.artifacts.scene
        if scene is None:
            raise RunError(f"stage {context.name!r} has nothing to export: no stage before it made a scene")
        export_scene(scene, self.config.exporters, context.run.export, context.timings.measure)

    def warm_up(self) -> None:
        corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
        faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
        cut = unwrap(Mesh(corners, faces), 16)
        MeshDrawing(replace(cut, texture=np.ones((16, 16, 3), np.float32))).render([0.0], 20.0, 16)
