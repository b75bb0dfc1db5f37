"""Export of the finished scene to mesh, point, splat, image and video files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from maquette.config.parts import ExporterSpec, PartSpec
from maquette.errors import RunError
from maquette.export.exporters.mesh import MeshExporter
from maquette.export.meshed import MeshedSubject
from maquette.meshes.mesh import EmptySurface
from maquette.registry import register
from maquette.scene import Scene
from maquette.stages.base import Stage, StageContext
from maquette.training.timings import Timings

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
        export_scene(scene, self.config.exporters, context.run.export, context.timings)


def export_scene(
    scene: Scene, exporters: Mapping[str, PartSpec], folder: Path, timings: Timings | None = None
) -> list[Path]:
    """Run exporters over a scene; one that fails is a warning and costs no other.

    Returns:
        The files that they wrote into the folder.

    Raises:
        RunError: all failed, and not only because the surface is empty.
    """
    built = {name: spec.build() for name, spec in exporters.items()}
    settings = [exporter.settings for exporter in built.values() if isinstance(exporter, MeshExporter)]
    subject, timings = MeshedSubject(scene, settings[0] if settings else None), timings or Timings()
    files, failed, empty = list[Path](), list[str](), 0
    for name, exporter in built.items():
        with timings.measure(f"export {name}"):
            try:
                files += exporter(subject, folder)
            except RunError as problem:  # an empty mesh must not cost the turntable
                failed.append(f"{name}: {problem}")
                empty += isinstance(problem, EmptySurface)
    for line in failed:
        _log.warning("%s", line)
    if len(failed) > empty and len(failed) == len(built):
        raise RunError("; ".join(failed))
    return files
