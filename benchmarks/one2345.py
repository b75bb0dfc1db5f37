"""Volumes of One-2-3-45++ from seven views of held-out nano objects, true and sampled, beside simpler ways to them.

    python benchmarks/one2345.py                          # 64 objects, from true views and from sampled ones
    python benchmarks/one2345.py --objects 2 --sampled 1 --shape FOLDER --surface FOLDER
    python benchmarks/one2345.py --objects 0 --sampled 0 --sheet 0 --arms both,no-noise,global --seeds 2

Objects are the first of the test split, each by a picture from a random direction and six views at azimuths 30 + 60 k
from it and elevations 20 and -10, with the lens of the prior that draws them. All volumes are in the frame of the
picture. Whole methods are compared by benchmarks/image_to_3d.py. `--arms` trains stage one from scratch in each arm for
4,800 steps, 40 minutes of one core, and measures all on the same objects.
Figures go to benchmarks/results/one2345.json, pictures beside them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from category_means import CategoryMeans
from imageio.v3 import imwrite
from jaxtyping import Float
from measured_runs import run_method, spent, train_once
from nano_truth import mesh_from
from torch import Tensor

from maquette.bench.statistics import mean_with_interval, paired_difference
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.cameras.six_views import AZIMUTHS_DEG, ELEVATIONS_DEG
from maquette.data.base import Reference
from maquette.data.formats import PosedImages, inspect_posed_images
from maquette.generators.base import DistanceGrid
from maquette.generators.one2345.one2345 import One2345
from maquette.generators.results import generated_scene, grid_mesh
from maquette.generators.visual_hull import Silhouettes
from maquette.images.picture import Picture
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.learners.reconstructor import SHELL, intersection_over_union
from maquette.matting.border import Border
from maquette.meshes.mesh import Mesh
from maquette.metrics.geometry import PROTOCOL, compare_meshes
from maquette.perception.reconstructor import Reconstructor
from maquette.perception.view_volume import cell_centres
from maquette.priors.base import Request
from maquette.priors.zero123.zero123 import Zero123
from maquette.randomness import Draws
from maquette.scene import Scene, Viewpoint
from maquette.scores.plain import Plain
from maquette.scores.sampling import sample_views
from maquette.stages.finished import finished_scene
from maquette.training.manifest import machine, revision
from maquette.training.run_folder import RunFolder
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG
from maquette_nano.volumes import BOUND, STEPS, truncated_distances

SIZE, SUPERSAMPLE, RESOLUTION = 64, 2, 32
PICTURE_ELEVATION_DEG = (-10.0, 50.0)  # range of elevations that pictures are taken from
SAMPLER_STEPS = 8  # of the six views
SAMPLES = 10_000  # points of each mesh that distances are measured at
SHEET_AZIMUTH_DEG, VIEW = 40.0, Viewpoint(DISTANCE, FOV_DEG)
CELL = 2 * BOUND / RESOLUTION
SURFACE_STEPS = 1  # of stage two, as in the laptop's file
START = "start/object/"  # scope of the draws that the method's stage gives its generator
AVERAGES = ("mean of the category, pose known", "mean of the category, azimuth unknown", "nearest training object")
COMPARED = ("solid_32", "solid_64", "shell_32", "f_score_1", "f_score_2", "chamfer", "normal_consistency")
MESHES = ("hull", "reconstructor", "stage one", "stage two")  # of which meshes are measured
NOISE = ("learner.projection_noise=1.0", "dataset.warp=1.5")
ARMS = {"both": NOISE, "global": (*NOISE, "learner.local=false"), "no-noise": ()}
"""Arm of stage one -> what it changes: cameras and rendered pictures disagree in training, as the paper has it, with
and without the local condition; or they agree, as in the recipe."""
ARM_STAGE, ARM_OBJECTS = "nano-one2345-shape", 64
ARM_WORDS = (
    'learner.reconstructor=""', "dataset.sampled.objects=80", "dataset.sampled_batches=0.3", "steps=4800",
    "learning_rate=[[0,0.0],[1%,1.2e-3],[30%,1.0e-3],[100%,1.0e-5]]",
)  # fmt: skip
"""What all arms change, beside fewer sampled views: they start from random weights, which no views have taught."""

Maker = Callable[["Case"], Float[Tensor, "N N N"] | DistanceGrid]
Rows = dict[str, dict[str, dict[str, float]]]
"""Maker -> object -> its figures."""


@dataclass(frozen=True)
class Case:
    """An object of the test split, its picture's direction, and seven views, the picture last.

    Args:
        number: of the object in its split.
        views: with alpha, true or by the matting of the method.
        images: the views over white, as the networks see them.
    """

    number: int
    azimuth_deg: float
    views: PosedImages
    images: Float[Tensor, "V H W 3"]

    @cached_property
    def object(self) -> world.NanoObject:
        """The object, facing the front."""
        return world.sample_object(self.number, "test")

    @property
    def name(self) -> str:
        """Number and category."""
        return f"{self.number:02}-{self.object.category}"

    def truth(self, resolution: int) -> Float[Tensor, "N N N"]:
        """Truncated distances in the picture's frame, in cells of that resolution."""
        return torch.from_numpy(truncated_distances(self.object, resolution, -self.azimuth_deg)).float() / STEPS

    @cached_property
    def mesh(self) -> Mesh:
        """The true surface in the picture's frame."""
        return mesh_from(self.object, self.azimuth_deg)


def case(number: int, prior: Zero123 | None) -> Case:
    """An object with rendered views, or with six that the prior sampled from the picture."""
    draws = Draws(number, 0, "one2345/")
    azimuth_deg = draws.uniform("azimuth", 1, high=360.0).item()
    elevation_deg = draws.uniform("elevation", 1, low=PICTURE_ELEVATION_DEG[0], high=PICTURE_ELEVATION_DEG[1]).item()
    obj, cameras = world.sample_object(number, "test"), rig(elevation_deg)
    absolute = orbit_cameras(
        cameras.azimuth_deg + azimuth_deg, cameras.elevation_deg, cameras.distance, cameras.fov_y_deg, SIZE
    )
    rendered = absolute if prior is None else absolute[-1:]
    picture = world.render(obj, rendered.c2w.numpy(), FOV_DEG, SIZE, SUPERSAMPLE).picture
    if prior is not None:
        request = Request("", references=(Reference(picture, cameras[-1:]),))
        sampled = sample_views(
            prior, request, cameras[:-1], Plain(Plain.Config()), SAMPLER_STEPS, draws, 1.0, "dpm-solver++"
        )
        picture = Picture.cat([cut_out(sampled.float().cpu()), picture])
    names = (*(f"view-{i}" for i in range(len(cameras) - 1)), "reference")
    views = PosedImages(picture, cameras, ("train",) * len(cameras), names)
    return Case(number, azimuth_deg, views, picture.over(1.0))


def cut_out(rgb: Float[Tensor, "B H W 3"]) -> Picture:
    """Sampled views with the alpha that the method gives them."""
    matting, opaque = Border(Border.Config()), Picture.opaque(rgb)
    return Picture.cat([matting(opaque[i : i + 1]) for i in range(len(rgb))])


def rig(elevation_deg: float) -> Cameras:
    """The six cameras and that of the picture, which is at azimuth 0."""
    pair, one = ELEVATIONS_DEG["v1.2"], torch.ones(len(AZIMUTHS_DEG) + 1)
    elevations = torch.tensor([*pair * (len(AZIMUTHS_DEG) // 2), elevation_deg])
    return orbit_cameras(torch.tensor([*AZIMUTHS_DEG, 0.0]), elevations, DISTANCE * one, FOV_DEG * one, SIZE)


def makers(shape: str, surface: str) -> dict[str, Maker]:
    """What makes a volume of views: distances in coarse cells, or a grid in scene units."""
    network = Reconstructor.load("nano-reconstructor")

    def generator(surface: str, steps: int) -> Maker:
        part = One2345(One2345.Config(shape, surface, steps, SURFACE_STEPS, grow=0.0, device="cpu"))
        return lambda one: part.generate(Request(""), one.views, Draws(0, 0))

    return {
        "hull": lambda one: hull(one.views),
        "reconstructor": lambda one: network(one.images[None], one.views.cameras)[0].clamp(-1, 1),
        "stage one, 1 step": generator("", 1),
        "stage one": generator("", 10),
        **({"stage two": generator(surface, 10)} if surface else {}),
    }  # fmt: skip


def hull(views: PosedImages) -> Float[Tensor, "N N N"]:
    """Truncated distances to the visual hull, in cells."""
    distances = Silhouettes(views.picture, views.cameras).distances(cell_centres(BOUND, RESOLUTION))
    return (distances / CELL).clamp(-1, 1).view((RESOLUTION,) * 3)


def as_grid(volume: Float[Tensor, "N N N"] | DistanceGrid) -> DistanceGrid:
    """What was made, as a grid in scene units."""
    if isinstance(volume, DistanceGrid):
        return volume
    return DistanceGrid(volume * CELL, (CELL / 2 - BOUND,) * 3, CELL)


def volume_figures(grid: DistanceGrid, one: Case) -> dict[str, float]:
    """Intersection over union with the truth: of solids at both resolutions, interpolated where need be, and shells."""
    grids = {len(grid.distances): grid.distances / CELL}
    for side in {RESOLUTION, 2 * RESOLUTION} - set(grids):
        own = next(iter(grids.values()))[None, None]
        grids[side] = torch.nn.functional.interpolate(own, (side,) * 3, mode="trilinear")[0, 0]
    truth = {side: one.truth(side) for side in grids}
    solids = {f"solid_{side}": iou(grids[side] < 0, truth[side] < 0) for side in sorted(grids)}
    return solids | {"shell_32": iou(grids[RESOLUTION].abs() < SHELL, truth[RESOLUTION].abs() < SHELL)}


def iou(ours: Tensor, truth: Tensor) -> float:
    """Of two volumes."""
    return float(intersection_over_union(ours[None], truth[None]))


def surface_figures(grid: DistanceGrid, one: Case) -> dict[str, float]:
    """Distances of the mesh to the true surface."""
    return compare_meshes(grid_mesh(grid), one.mesh, SAMPLES).values()


def measure(cases: Sequence[Case], ways: Mapping[str, Maker], means: CategoryMeans, meshes: int) -> Rows:
    """The figures of all ways on all cases, those of meshes on the first `meshes` of them."""
    rows: Rows = {}
    for place, one in enumerate(cases):
        for way, make in ways.items():
            started = time.process_time()
            grid = as_grid(make(one))
            figures = {"cpu_seconds": round(time.process_time() - started, 3)} | volume_figures(grid, one)
            if way in MESHES and place < meshes:
                figures |= surface_figures(grid, one)
            rows.setdefault(way, {})[one.name] = {name: round(value, 4) for name, value in figures.items()}
        for way, volume, truth in zip(AVERAGES, means.of(one.object, one.azimuth_deg), (None, one, None), strict=True):
            target = torch.from_numpy(truncated_distances(one.object, RESOLUTION)).float() / STEPS
            target = target if truth is None else truth.truth(RESOLUTION)
            rows.setdefault(way, {})[one.name] = {
                "solid_32": round(iou(volume < 0, target < 0), 4),
                "shell_32": round(iou(volume.abs() < SHELL, target.abs() < SHELL), 4),
            }
        print(one.name, {way: row[one.name]["solid_32"] for way, row in rows.items()}, flush=True)
    return rows


def summary(rows: Rows) -> dict[str, Any]:
    """Means with intervals, and stage one's and two's paired differences from the other ways."""
    names = list(dict.fromkeys(name for of in rows.values() for row in of.values() for name in row))
    means = {
        way: {name: mean_with_interval(column) for name in names if (column := _column(of, name))}
        for way, of in rows.items()
    }
    differences = {
        f"{ours} minus {theirs}": {
            name: paired_difference(*pair)
            for name in names
            if name in COMPARED and (pair := _columns(rows[ours], rows[theirs], name))[0]
        }
        for ours in ("stage one", "stage two") if ours in rows for theirs in rows if theirs != ours
    }  # fmt: skip
    return {"objects": len(next(iter(rows.values()))), "means": means, "differences": differences}


def _column(of: Mapping[str, Mapping[str, float]], name: str) -> list[float]:
    return [row[name] for row in of.values() if name in row]


def _columns(
    ours: Mapping[str, Mapping[str, float]], theirs: Mapping[str, Mapping[str, float]], name: str
) -> tuple[list[float], list[float]]:
    """A figure of two ways, of the objects where both have it."""
    both = [case for case in ours if name in ours[case] and name in theirs[case]]
    return [ours[case][name] for case in both], [theirs[case][name] for case in both]


def trained_arm(name: str, seed: int, folder: Path) -> Path:
    """Weights of stage one by an arm: those that are there, or those of a training that is begun or gone on with."""
    words = [f"seed={seed}", *(f"stages.{ARM_STAGE}.{word}" for word in (*ARM_WORDS, *ARMS[name]))]
    run = train_once(folder / f"{name}-{seed}", ARM_STAGE, words, f"{ARM_STAGE}.json")
    return run / "export" / ARM_STAGE


def volumes(cases: Sequence[Case], makers: Sequence[Maker]) -> dict[str, dict[str, float]]:
    """The figures of the volumes of several trainings, their mean for each object."""
    rows = {}
    for one in cases:
        figures = [volume_figures(as_grid(make(one)), one) for make in makers]
        rows[one.name] = {name: round(float(np.mean([row[name] for row in figures])), 4) for name in figures[0]}
    return rows


def summary_of_arms(rows: Rows) -> dict[str, Any]:
    """Means of the arms over the objects, and paired differences of the first arm from the others."""
    first, *others = rows
    names = ("solid_32", "shell_32")
    return {
        "means": {arm: {name: mean_with_interval(_column(of, name)) for name in names} for arm, of in rows.items()},
        "differences": {
            f"{first} minus {other}": {
                name: paired_difference(*_columns(rows[first], rows[other], name)) for name in names
            }
            for other in others
        },
    }


def main(
    objects: Annotated[int, typer.Option(help="objects from true views")] = 64,
    sampled: Annotated[int, typer.Option(help="objects from views that the prior samples")] = 64,
    meshes: Annotated[int, typer.Option(help="objects whose meshes are measured, too")] = 64,
    shape: Annotated[str, typer.Option(help="weights of stage one")] = "nano-one2345-shape",
    surface: Annotated[str, typer.Option(help="weights of stage two; empty: none")] = "nano-one2345-surface",
    sheet: Annotated[int, typer.Option(help="objects that the method is run on, for the sheet")] = 16,
    arms: Annotated[str, typer.Option(help=f"arms of stage one to train, of {', '.join(ARMS)}")] = "",
    seeds: Annotated[int, typer.Option(help="trainings of each arm")] = 1,
    runs: Annotated[Path, typer.Option(help="folder for runs")] = Path("outputs/one2345"),
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Measure, and write the table and the sheet."""
    written = results / "one2345.json"
    report: dict[str, Any] = json.loads(written.read_text()) if written.is_file() else {}  # parts of earlier calls stay
    report |= {"machine": machine(), "revision": revision(), "protocol": PROTOCOL, "samples": SAMPLES}
    prior = Zero123(Zero123.Config(path="nano-zero123", dtype="float32")) if sampled else None
    means = CategoryMeans.of_training(RESOLUTION) if objects or sampled else None
    for name, count, source in (("true views", objects, None), ("sampled views", sampled, prior)):
        if count and means is not None:
            cases = [case(number, source) for number in range(count)]
            rows = measure(cases, makers(shape, surface), means, meshes)
            report[f"{name}, {count} objects"] = summary(rows) | {"results": rows}
    if arms:
        weights = {name: [trained_arm(name, seed, runs / "arms") for seed in range(seeds)] for name in arms.split(",")}
        report["arms"] = {"seeds": seeds}
        for name, source in (
            ("sampled views", Zero123(Zero123.Config(path="nano-zero123", dtype="float32"))),
            ("true views", None),
        ):
            cases = [case(number, source) for number in range(ARM_OBJECTS)]
            rows = {
                arm: volumes(cases, [makers(str(path), "")["stage one"] for path in paths])
                for arm, paths in weights.items()
            }
            report["arms"][name] = summary_of_arms(rows) | {"results": rows}
    results.mkdir(parents=True, exist_ok=True)
    if sheet:
        report["runs"] = draw_sheet(sheet, shape, surface, runs / "sheet", results / "one2345.png")
    written.write_text(json.dumps(report, indent=1) + "\n")


COLUMNS = ("picture", *(f"view {i + 1}" for i in range(6)), "stage one", "stage two", "its normals", "refined", "truth")


def draw_sheet(count: int, shape: str, surface: str, folder: Path, path: Path) -> list[dict[str, float]]:
    """Run the method on the pictures of some objects; a row for each: the picture, its six views, and from another side
    stage one, stage two and the refined mesh. Returns the seconds of the runs."""
    rows, names, seconds = [], [], []
    for number in range(count):
        one = case(number, None)
        run = run_on_picture(one, shape, surface, folder / one.name)
        views = inspect_posed_images(run / "views" / "views").value
        stages = [
            One2345(One2345.Config(shape, fine, surface_steps=SURFACE_STEPS, device="cpu")).generate(
                Request(""), views, Draws(0, -1, START)
            )
            for fine in ("", surface)
        ]
        pictures = np.concatenate([one.images[-1:].numpy(), views.picture.over(1.0)[:-1].numpy()])
        (_, coarse), fine = (pictures_of(generated_scene(grid, VIEW)) for grid in stages)
        refined, truth = (
            pictures_of(finished_scene(RunFolder.read(run)))[0],
            pictures_of(generated_scene(one.mesh, VIEW))[1],
        )
        rows.append([*pictures.repeat(2, axis=1).repeat(2, axis=2), coarse, *fine, refined, truth])
        names.append(one.name)
        seconds.append(spent(run, ("views", "object")))
    imwrite(path, to_bytes(contact_sheet(rows, names, COLUMNS)))
    return seconds


def run_on_picture(one: Case, shape: str, surface: str, folder: Path, more: Sequence[str] = ()) -> Path:
    """The run of the method on an object's picture, with its elevation; `more`: further words of the command line."""
    picture = folder / "picture.png"
    folder.mkdir(parents=True, exist_ok=True)
    imwrite(picture, to_bytes(one.views.picture.rgba[-1].numpy()))
    elevation_deg = float(one.views.cameras.elevation_deg[-1])
    words = [f"image={picture}", f"stages.views.data.elevation_deg={elevation_deg}", "stages.views.data.fill=0"]
    words += [f"stages.object.start.shape={shape}", f"stages.object.start.surface={surface}"]
    words += ["stages.object.loop.preview_every=0", "stages.export.exporters={contact-sheet: {}}", *more]
    return run_method(folder, "one2345", words, "sheet.png")


def pictures_of(scene: Scene) -> list[np.ndarray]:
    """Colours and normals of the surface, from a side that is none of the views'."""
    one = torch.ones(1)
    camera = orbit_cameras(SHEET_AZIMUTH_DEG * one, 20 * one, DISTANCE * one, FOV_DEG * one, 2 * SIZE)
    views = scene.render_cameras(camera)
    assert views.normal is not None
    normals = Picture((views.normal + 1) / 2, views.picture.alpha)
    return [views.picture.over(1.0)[0].numpy(), normals.over(1.0)[0].numpy()]


if __name__ == "__main__":
    typer.run(main)
