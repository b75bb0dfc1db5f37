"""Export of the finished scene to mesh, point, splat, image and video files."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from maquette.config.parts import ExporterSpec
from maquette.errors import RunError
from maquette.export.exporters.mesh import MeshExporter
from maquette.export.meshed import MeshedSubject
from maquette.meshes.mesh import EmptySurface
from maquette.registry import register
from maquette.stages.base import Stage, StageContext

_log = logging.getLogger(__name__)


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
        exporters = {name: spec.build() for name, spec in self.config.exporters.items()}
        settings = [exporter.settings for exporter in exporters.values() if isinstance(exporter, MeshExporter)]
        subject = MeshedSubject(scene, settings[0] if settings else None)
        failed, empty = [], 0
        for name, exporter in exporters.items():
            with context.timings.measure(f"export {name}"):
                try:
                    exporter(subject, context.run.export)
                except RunError as problem:  # an empty mesh must not cost the turntable
                    failed.append(f"{name}: {problem}")
                    empty += isinstance(problem, EmptySurface)
        for line in failed:
            _log.warning("%s", line)
        if len(failed) > empty and len(failed) == len(self.config.exporters):
            raise RunError("; ".join(failed))
