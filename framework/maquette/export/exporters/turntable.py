"""Export of a turntable video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from maquette.annotations import Count, ElevationDeg, Pixels
from maquette.export.base import Exporter, Subject
from maquette.export.meshed import Of, note_picture, picture_source
from maquette.export.video import write_gif, write_mp4
from maquette.registry import register

VIEWS_PER_BATCH = 8  # views rendered at a time


@register("exporter", "turntable")
class TurntableExporter(Exporter):
    """A video of one full turn around the subject, from its front; `turntable.mp4`, `turntable.gif`."""

    @dataclass(frozen=True)
    class Config:
        frames: Count = 60  # views in one turn
        size: Pixels = 256  # side of the picture in pixels
        fps: Count = 20  # frames per second
        elevation_deg: ElevationDeg = 15.0  # height of the camera above the horizon
        of: Of = (
            "auto"  # what is shown: the exported mesh, or the scene by its renderer; auto: Gaussians, else the mesh
        )
        formats: tuple[Literal["mp4", "gif"], ...] = ("mp4", "gif")  # files to write

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, subject: Subject, folder: Path) -> list[Path]:
        """Render and write; see `Exporter`."""
        config = self.config
        azimuths = [360.0 * i / config.frames for i in range(config.frames)]
        batches = [azimuths[i : i + VIEWS_PER_BATCH] for i in range(0, config.frames, VIEWS_PER_BATCH)]
        source, shows = picture_source(subject, config.of)
        views = [source.render(batch, config.elevation_deg, config.size).rgb for batch in batches]
        frames = list(torch.cat(views).numpy())
        write = {"mp4": write_mp4, "gif": write_gif}
        written = [write[kind](folder / f"turntable.{kind}", frames, config.fps) for kind in config.formats]
        note_picture(folder, [path.name for path in written], shows)
        return written
