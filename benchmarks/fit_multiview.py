"""How well and how fast each representation fits known views: nano objects, and textured meshes from files.

    python benchmarks/fit_multiview.py                                # two nano objects, three representations
    python benchmarks/fit_multiview.py --mesh Duck.glb --front Duck=+x --mesh fuze.obj

Each object is seen from 48 places at 64 px, unlit, and from 16 others that are held out. Times are those of the `fit`
stage alone. Figures go to benchmarks/results/fit-multiview.json, pictures beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from imageio.v3 import imread, imwrite

from maquette.backgrounds.solid import Solid
from maquette.cameras.base import Cameras
from maquette.data.formats import PosedImages, save_posed_images
from maquette.geometry.mesh import TriangleMesh
from maquette.materials.plain import Plain
from maquette.renderers.mesh import MeshRenderer
from maquette.scene import Scene, Viewpoint
from maquette.training.manifest import machine
from maquette_nano import world
from maquette_nano.posed import TEST_AZIMUTH_OFFSET_DEG, posed_object, spiral_cameras
from maquette_nano.world.meshing import mesh as nano_mesh

VIEWS, TEST_VIEWS, SIZE, POINTS = 48, 16, 64, 20_000
SUPERSAMPLING = 4
REPRESENTATIONS = ("volume", "gaussians", "dmtet")
BARS = {"volume": (30.0, 120.0), "gaussians": (30.0, 60.0), "dmtet": (27.0, 180.0)}  # held-out PSNR, seconds


@dataclass(frozen=True)
class Task:
    """An object with its known views and its true surface."""

    name: str
    images: PosedImages
    vertices: np.ndarray
    faces: np.ndarray


def nano_tasks() -> Iterator[Task]:
    """Two objects of the test split."""
    for category in ("mug", "duck"):
        obj = next(t for i in range(10_000) if (t := world.sample_object(i, "test")).category == category)
        surface = nano_mesh(obj, 128)
        yield Task(f"nano {category}", posed_object(obj, VIEWS, SIZE, TEST_VIEWS), surface.vertices, surface.faces)


def mesh_task(path: Path, front: str) -> Task:
    """A textured mesh from a file, drawn by our own renderer with 16 samples a pixel."""
    geometry = TriangleMesh(TriangleMesh.Config(path=str(path), front=front, size=1.4))  # type: ignore[arg-type]
    black = Solid(Solid.Config(color=(0.0, 0.0, 0.0)))
    renderer = MeshRenderer(MeshRenderer.Config(supersampling=SUPERSAMPLING), geometry.bound)
    scene = Scene(geometry, Plain(Plain.Config()), black, renderer, Viewpoint())
    cameras = Cameras.cat([spiral_cameras(VIEWS, SIZE, 0.0), spiral_cameras(TEST_VIEWS, SIZE, TEST_AZIMUTH_OFFSET_DEG)])
    split = ("train",) * VIEWS + ("test",) * TEST_VIEWS
    names = tuple(f"{kind}-{i:03}" for kind, i in zip(split, [*range(VIEWS), *range(TEST_VIEWS)], strict=True))
    images = PosedImages(scene.render_cameras(cameras, normals=False).picture, cameras, split, names)
    surface = geometry.mesh()
    return Task(path.stem, images, surface.vertices.detach().numpy(), surface.triangles.numpy())


def fit(task: Task, representation: str, folder: Path) -> tuple[dict[str, float], np.ndarray]:
    """Figures of one run, and its picture of held-out views."""
    import trimesh

    data = folder / task.name.replace(" ", "-")
    save_posed_images(data, task.images)
    points, _ = trimesh.sample.sample_surface(trimesh.Trimesh(task.vertices, task.faces, process=False), POINTS, seed=0)
    trimesh.PointCloud(points).export(data / "surface.ply")
    command = [
        sys.executable, "-m", "maquette", "run", "fit-multiview", f"data={data}", f"representation={representation}",
        f"output={folder / representation}", "~stages.export", "stages.fit.loop.preview_every=0",
    ]  # fmt: skip
    subprocess.run(command, check=True)
    run = max((folder / representation).glob("*/*/*/manifest.json"), key=lambda path: path.stat().st_mtime).parent
    report = json.loads((run / "export" / "evaluate.json").read_text())
    manifest = json.loads((run / "manifest.json").read_text())
    figures = {name: round(report[name], 4) for name in ("psnr", "ssim", "silhouette_iou", "chamfer") if name in report}
    figures["seconds"] = round(manifest["times"]["stage fit"]["wall_seconds"], 1)
    figures["peak_memory_mb"] = manifest["peak_memory_mb"]
    return figures, imread(run / "export" / "evaluate.png")


def main(
    mesh: Annotated[list[Path] | None, typer.Option(help="a textured mesh, beside the nano objects")] = None,
    front: Annotated[
        list[str] | None, typer.Option(help="NAME=AXIS: where a mesh's object looks, e.g. Duck=+x")
    ] = None,
    runs: Annotated[Path, typer.Option(help="folder for views and runs")] = Path("outputs/fit-multiview"),
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Fit, measure, write the table and the pictures."""
    fronts = dict(word.split("=", 1) for word in front or [])
    tasks = [*nano_tasks(), *(mesh_task(path, fronts.get(path.stem, "auto")) for path in mesh or [])]
    table: dict[str, dict[str, dict[str, float]]] = {}
    for task in tasks:
        for representation in REPRESENTATIONS:
            figures, picture = fit(task, representation, runs)
            table.setdefault(task.name, {})[representation] = figures
            results.mkdir(parents=True, exist_ok=True)
            imwrite(results / f"fit-{task.name.replace(' ', '-')}-{representation}.png", picture)
            least, longest = BARS[representation]
            verdict = "kept" if figures["psnr"] >= least and figures["seconds"] <= longest else "missed"
            print(f"{task.name}, {representation}: {figures}; bar {least:g} dB in {longest:g} s: {verdict}", flush=True)
    report = {"bars": BARS, "views": VIEWS, "size": SIZE, "machine": machine(), "results": table}
    (results / "fit-multiview.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
