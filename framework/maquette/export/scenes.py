"""Export of a scene by several exporters, which share its textured mesh."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from maquette.config.parts import PartSpec
from maquette.errors import RunError
from maquette.export.exporters.mesh import MeshExporter
from maquette.export.meshed import MeshedSubject
from maquette.meshes.mesh import EmptySurface
from maquette.scene import Scene

_log = logging.getLogger(__name__)


def export_scene(
    scene: Scene,
    exporters: Mapping[str, PartSpec],
    folder: Path,
    measure: Callable[[str], AbstractContextManager[None]] = lambda title: nullcontext(),
) -> list[Path]:
    """Run exporters over a scene; one that fails is a warning and costs no other.

    Args:
        scene: what is exported.
        exporters: by name.
        folder: for their files.
        measure: gives the block in which an exporter runs, from its title; adds up its time, for instance.

    Returns:
        The files that they wrote into the folder.

    Raises:
        RunError: all failed, and not only because the surface is empty.
    """
    built = {name: spec.build() for name, spec in exporters.items()}
    settings = [exporter.settings for exporter in built.values() if isinstance(exporter, MeshExporter)]
    subject = MeshedSubject(scene, settings[0] if settings else None)
    files, failed, empty = list[Path](), list[str](), 0
    for name, exporter in built.items():
        with measure(f"export {name}"):
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
