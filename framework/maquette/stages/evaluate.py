"""Evaluation of a scene against held-out views and the true surface."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Count, Fraction, Samples
from maquette.config.parts import DataSpec
from maquette.data.base import HeldOut
from maquette.errors import RunError
from maquette.files import write_atomically
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.meshes.mesh import EmptySurface
from maquette.registry import register
from maquette.scene import Scene
from maquette.stages.base import Stage, StageContext

_log = logging.getLogger(__name__)

POINTS = 20_000  # on each surface, for distances between them


@register("stage", "evaluate")
class Evaluate(Stage):
    """PSNR, SSIM and silhouette IoU on held-out views, and the Chamfer distance to the true surface if the data has it.

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
        data = self.config.data.build()
        data.prepare(scene.device)
        held_out = data.held_out()
        views, rows = self._compare(scene, held_out)
        figures = {name: float(np.mean([row[name] for row in views])) for name in views[0]}
        if held_out.surface is not None:
            figures |= self._surface(scene, held_out.surface)
        report = {**figures, "views": dict(zip(held_out.names, views, strict=True))}
        write_atomically(context.run.export / f"{context.name}.json", json.dumps(report, indent=1))
        from imageio.v3 import imwrite

        imwrite(context.run.export / f"{context.name}.png", to_bytes(contact_sheet(rows, ("truth", "ours"))))
        _log.info("held-out views: %s", ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))

    def _compare(self, scene: Scene, held_out: HeldOut) -> tuple[list[dict[str, float]], list[list[np.ndarray]]]:
        from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

        cameras, grey = held_out.views.cameras, self.config.background
        truth, ours = (
            held_out.views.picture,
            scene.render_cameras(cameras, normals=False).picture.to(held_out.views.picture.color.device),
        )
        true_rgb, rendered_rgb = truth.over(grey), ours.over(grey)
        masked = bool((truth.alpha < 1).any())  # photographs have no silhouette
        rows: list[dict[str, float]] = []
        for i in range(len(cameras)):
            pair = (rendered_rgb[i : i + 1].permute(0, 3, 1, 2), true_rgb[i : i + 1].permute(0, 3, 1, 2))
            similarity = structural_similarity_index_measure(*pair, data_range=1.0)
            row = {
                "psnr": float(peak_signal_noise_ratio(*pair, data_range=1.0)),
                "ssim": float(similarity if isinstance(similarity, Tensor) else similarity[0]),
            }
            if masked:
                row["silhouette_iou"] = _overlap(ours.alpha[i] > 0.5, truth.alpha[i] > 0.5)
            rows.append(row)
        chosen = np.linspace(0, len(cameras) - 1, min(self.config.sheet_views, len(cameras))).astype(int)
        return rows, [[pictures[i].cpu().numpy() for i in chosen] for pictures in (true_rgb, rendered_rgb)]

    def _surface(self, scene: Scene, surface: Float[Tensor, "P 3"]) -> dict[str, float]:
        """Chamfer distance: mean of the two mean distances from points of one surface to the nearest of the other."""
        import trimesh
        from scipy.spatial import cKDTree

        try:
            mesh = scene.surface(self.config.resolution).to_trimesh()
        except EmptySurface as problem:
            _log.warning("chamfer distance: %s", problem)
            return {}
        ours, _ = trimesh.sample.sample_surface(mesh, POINTS, seed=0)
        true = surface.cpu().numpy()
        there, back = cKDTree(true).query(ours)[0], cKDTree(ours).query(true)[0]
        return {"chamfer": float((there.mean() + back.mean()) / 2)}


def _overlap(one: Tensor, other: Tensor) -> float:
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 1.0
