"""Evaluation of a scene against held-out views and the true surface."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import numpy as np

from maquette.annotations import Count, Fraction, Samples
from maquette.config.parts import DataSpec
from maquette.data.base import HeldOut
from maquette.errors import RunError
from maquette.files import write_atomically
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.meshes.mesh import EmptySurface
from maquette.meshes.sampling import SurfaceSamples
from maquette.metrics.geometry import compare_surfaces, measured_surface, our_samples
from maquette.metrics.pictures import compare_pictures
from maquette.registry import register
from maquette.scene import Scene
from maquette.stages.base import Stage, StageContext

_log = logging.getLogger(__name__)


@register("stage", "evaluate")
class Evaluate(Stage):
    """PSNR, SSIM and agreement of silhouettes on held-out views, and distances to the true surface if the data has it.

    Distances are the Chamfer distance, F-scores, and normal consistency if the true surface has faces; docs/metrics.md
    has the protocol.
    Writes `export/<stage>.json`, with every view's numbers, and `export/<stage>.png`, true images above ours.
    """

    changeable = ("*",)

    @dataclass(frozen=True)
    class Config:
        data: DataSpec
        background: Fraction = 1.0  # grey value of the background that images are composited over
        sheet_views: Count = 8  # views on the contact sheet
        resolution: Samples = 96  # samples along each side of the cube, to extract the surface of a field

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, context: StageContext) -> None:
        scene = context.artifacts.scene
        if scene is None:
            raise RunError(f"stage {context.name!r} has nothing to measure: no stage before it made a scene")
        data = context.build_data(self.config.data)
        data.prepare(scene.device)
        held_out = data.held_out()
        views, rows = self._compare(scene, held_out)
        names = dict.fromkeys(name for row in views for name in row)
        figures = {name: float(np.mean([row[name] for row in views if name in row])) for name in names}
        if held_out.surface is not None:
            figures |= self._surface(scene, held_out.surface)
        report = {**figures, "views": dict(zip(held_out.names, views, strict=True))}
        write_atomically(context.run.export / f"{context.name}.json", json.dumps(report, indent=1))
        from imageio.v3 import imwrite

        imwrite(context.run.export / f"{context.name}.png", to_bytes(contact_sheet(rows, ("truth", "ours"))))
        _log.info("held-out views: %s", ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))

    def _compare(self, scene: Scene, held_out: HeldOut) -> tuple[list[dict[str, float]], list[list[np.ndarray]]]:
        cameras, grey = held_out.views.cameras, self.config.background
        truth = held_out.views.picture.to("cpu")
        ours = scene.render_cameras(cameras, normals=False).picture
        rows = compare_pictures(ours, truth, grey)
        chosen = np.linspace(0, len(cameras) - 1, min(self.config.sheet_views, len(cameras))).astype(int)
        return rows, [[pictures[i].numpy() for i in chosen] for pictures in (truth.over(grey), ours.over(grey))]

    def _surface(self, scene: Scene, truth: SurfaceSamples) -> dict[str, float]:
        """As many points as the truth has are sampled on ours."""
        try:
            ours = our_samples(measured_surface(scene, self.config.resolution), len(truth.points))
        except EmptySurface as problem:
            _log.warning("distance to the true surface: %s", problem)
            return {}
        return compare_surfaces(ours, truth).values()
