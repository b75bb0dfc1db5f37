"""Exports of the scene on the way."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from maquette.annotations import Count
from maquette.config.parts import ExporterSpec, PartSpec, part
from maquette.errors import ConfigError
from maquette.export.scenes import export_scene
from maquette.files import display_path
from maquette.registry import register
from maquette.training.callbacks.base import Callback, LoopState

_log = logging.getLogger(__name__)


def _exporters() -> dict[str, PartSpec]:
    return {"mesh": part("exporter", "mesh")}


@register("callback", "snapshot")
class Snapshot(Callback):
    """Exports of the scene every so many steps, to `callbacks/STAGE/NAME/step-00000500` in the run folder."""

    @dataclass(frozen=True)
    class Config:
        every: Count = 500  # steps between exports
        exporters: dict[str, ExporterSpec] = field(default_factory=_exporters)

    def __init__(self, config: Config) -> None:
        self.config = config

    def on_start(self, loop: LoopState) -> None:
        if loop.scene is None:
            raise ConfigError(
                "a snapshot exports a scene, and this stage trains a model",
                key=f"stages.{loop.stage}.loop.callbacks", hint="put it into a stage of type optimise",
            )  # fmt: skip

    def on_step(self, loop: LoopState, values: Mapping[str, float]) -> None:
        if loop.done % self.config.every or loop.scene is None:
            return
        folder = loop.folder / f"step-{loop.done:08d}"
        for file in export_scene(loop.scene, self.config.exporters, folder)[:1]:
            _log.info("snapshot: %s", display_path(file))
