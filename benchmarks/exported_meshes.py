"""How well the meshes that runs export agree with the scenes they come from.

    python benchmarks/exported_meshes.py outputs/zero123/... outputs/magic123/...
    python benchmarks/exported_meshes.py RUN --set threshold=auto --set join=0 --name half-the-density

Each run's scene is exported anew with the mesh exporter's settings, read back, and drawn by the rasteriser from 16
cameras that took no part in the choice of the threshold; the scene's own renderer draws the same views. Figures go to
benchmarks/results/exported-meshes-NAME.json, pictures beside them.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from exported import draw_mesh
from imageio.v3 import imwrite

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.config.parts import part
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.meshes.health import mesh_health
from maquette.meshes.placement import Placement
from maquette.meshes.reading import read_mesh
from maquette.metrics.pictures import COVERED, silhouette_iou
from maquette.scene import RenderedViews, Scene
from maquette.stages.export import export_scene
from maquette.stages.finished import finished_scene
from maquette.training.manifest import machine, read_manifest, revision
from maquette.training.run_folder import RunFolder

VIEWS, SIZE, ELEVATIONS_DEG = 16, 128, (10.0, 25.0, 45.0)
SHEET_VIEWS = (0, 4, 8, 12)


def cameras(scene: Scene) -> Cameras:
    """Cameras between those with which the threshold is chosen."""
    one = torch.ones(VIEWS)
    azimuth_deg = 7.0 + 360 / VIEWS * torch.arange(VIEWS)
    elevation_deg = torch.tensor([ELEVATIONS_DEG[i % len(ELEVATIONS_DEG)] for i in range(VIEWS)])
    return orbit_cameras(azimuth_deg, elevation_deg, scene.view.distance * one, scene.view.fov_y_deg * one, SIZE)


def measure(scene: Scene, folder: Path, settings: dict[str, Any]) -> tuple[dict[str, float], list[np.ndarray]]:
    """Figures of a scene's exported mesh, and pictures of both."""
    start = time.process_time()
    export_scene(scene, {"mesh": part("exporter", "mesh", formats=("glb",), **settings)}, folder)
    seconds = time.process_time() - start
    file = folder / "mesh.glb"
    health = mesh_health(read_mesh(file, Placement(fit="none")))
    truth, ours = scene.render_cameras(cameras(scene), normals=False), draw_mesh(file, cameras(scene))
    theirs_inside, ours_inside = (views.picture.alpha > COVERED for views in (truth, ours))
    both = (theirs_inside & ours_inside)[..., 0]
    pairs = zip(ours_inside, theirs_inside, strict=True)
    figures = {
        "silhouette_iou": float(np.mean([silhouette_iou(*pair) for pair in pairs])),
        "color_difference": float((truth.picture.color - ours.picture.color)[both].abs().mean()),
        "watertight": float(health.watertight), "components": float(health.components),
        "non_manifold_edges": float(health.non_manifold_edges), "export_cpu_seconds": round(seconds, 1),
    }  # fmt: skip
    return figures, [*_sheet_views(truth), *_sheet_views(ours)]


def _sheet_views(views: RenderedViews) -> list[np.ndarray]:
    return list(views.picture.over(1.0)[list(SHEET_VIEWS)].numpy())


def main(
    runs: Annotated[list[Path], typer.Argument(help="finished runs")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value of the mesh exporter")] = None,
    name: Annotated[str, typer.Option(help="of the settings")] = "default",
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Export, measure, write the table and the sheet."""
    chosen = {key: json.loads(value) if value[0] in "0123456789" else value for key, value in
              (word.split("=", 1) for word in settings or [])}  # fmt: skip
    table: dict[str, dict[str, float]] = {}
    sheet: dict[str, list[np.ndarray | None]] = {}
    for path in runs:
        run = RunFolder.read(path)
        made_by = [stage for stage in run.read_state()["finished"] if stage != "export"][-1]
        label = f"{read_manifest(run.manifest)['method']}, {made_by}"
        with tempfile.TemporaryDirectory() as folder:
            table[label], pictures = measure(finished_scene(run), Path(folder), chosen)
        sheet[label] = [*pictures]
        print(f"{label}: {table[label]}", flush=True)
    results.mkdir(parents=True, exist_ok=True)
    titles = [f"{what}, {i}" for what in ("scene", "mesh") for i in SHEET_VIEWS]
    imwrite(results / f"exported-meshes-{name}.png", to_bytes(contact_sheet(list(sheet.values()), list(sheet), titles)))
    report = {"machine": machine(), "revision": revision(), "settings": chosen, "views": VIEWS, "results": table}
    (results / f"exported-meshes-{name}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
