"""Reconstruction of a textured mesh from a handful of posed pictures."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors.torch import load_file, save_file

from maquette.annotations import CountOrNone, Fraction, PathKind, Range, WeightsPath
from maquette.config.parts import GeneratorSpec, GeometrySpec, LossSpec, PartSpec, RendererSpec, part, part_field
from maquette.config.schedules import NonNegativeSchedule, Schedule
from maquette.conversions import convert
from maquette.conversions.view_texture import texture_from_views, vertex_colors_from_views
from maquette.data.formats import PosedImages, Reading, load_posed_images
from maquette.data.sampled_views import SampledViews
from maquette.errors import ConfigError, RunError
from maquette.files import atomic_path
from maquette.generators.base import DistanceGrid, Generated
from maquette.generators.results import generated_distances, generated_scene, grid_mesh, mesh_scene
from maquette.generators.visual_hull import VisualHull, visual_hull
from maquette.geometry.sdf_voxels import Grid, SDFVoxels
from maquette.kernels.devices import choose_device, device_or_cpu
from maquette.meshes.clean import simplify
from maquette.meshes.mesh import Mesh
from maquette.priors.base import Request
from maquette.randomness import Draws
from maquette.registry import register
from maquette.scene import Scene, Viewpoint
from maquette.stages.assembly import StageParts, check_stage
from maquette.stages.base import Stage, StageContext
from maquette.stages.exercise import exercise_scene
from maquette.stages.optimisation import Optimisation
from maquette.training.checkpoints import CheckpointStore
from maquette.training.settings import INTERVALS, LoopConfig

_log = logging.getLogger(__name__)

FLOOR_PIXELS = 0.5  # by which the fitted shape may leave the visual hull
WARM_UP_FACES, WARM_UP_TEXTURE = 200, 64
MESH_FILE = "mesh.safetensors"  # beside the stage's checkpoints
MESH_ARRAYS = ("vertices", "faces", "vertex_colors", "uv", "texture")


def _losses() -> dict[str, PartSpec]:
    weights = {"mask": 30.0, "normal-consistency": 0.02}
    return {name: part("loss", name, weight=Schedule.constant(weight)) for name, weight in weights.items()}


def _step_in_cells() -> dict[str, Schedule]:
    return {"shape": Schedule((("0%", 0.35), ("49.9%", 0.105), ("50%", 0.35), ("100%", 0.0175)))}


@register("stage", "reconstruct")
class Reconstruct(Stage):
    """A watertight mesh of one piece with the pictures' colours: a start, a fit to the pictures, a clean surface.

    The start is a generator's; the fit compares the geometry with all pictures at each step, within the visual hull of
    their mattes; without steps, the start is the result.
    """

    changeable = ("steps", *INTERVALS)

    @dataclass(frozen=True)
    class Config:
        views: Annotated[str, PathKind("input", words=("previous",))] = (
            "previous"  # pictures of the stage before, or a folder of posed images with alpha
        )
        size: CountOrNone = 64  # rows of the pictures that the fit compares with, if they have more; 0: as they are
        start: GeneratorSpec = part_field("generator", "visual-hull")  # the shape that the fit starts from
        hull: VisualHull.Config = field(default_factory=VisualHull.Config)  # the fit stays within it
        geometry: GeometrySpec = part_field("geometry", "sdf-voxels")
        renderer: RendererSpec = part_field("renderer", "mesh", supersampling=2)
        losses: dict[str, LossSpec] = field(default_factory=_losses)
        estimator: WeightsPath = ""  # weights of an estimator of the pictures' normals, for the loss normal-l1
        steps: CountOrNone = 120  # optimiser steps; 0: the start is the result
        learning_rates: dict[str, NonNegativeSchedule] = field(
            default_factory=_step_in_cells
        )  # of sdf-voxels: of the step, in cells
        texture_size: Annotated[int, Range(0, 16_384)] = 512  # of the texture; 0: colours at vertices
        max_faces: Annotated[int, Range(4)] = 30_000  # of the mesh, at most about
        tolerance: Fraction = 0.001  # fewer faces while the surface moves no further than this part of the longest side
        view: Viewpoint = field(default_factory=Viewpoint)  # camera of previews and exports
        loop: LoopConfig = field(
            default_factory=lambda: LoopConfig(optimiser="adam-uniform", betas=(0.8, 0.95), epsilon=1e-15)
        )

        def __post_init__(self) -> None:
            if self.views != "previous" and not Path(self.views).expanduser().is_dir():
                raise ValueError(f"views: there is no folder {self.views}; give one of posed images, or previous")
            if not self.losses:
                raise ValueError("a fit needs losses; to take the start as it is, give steps: 0")
            check_stage(
                StageParts(
                    self.geometry, part("material", "plain"), part("background", "solid"), self.renderer, None,
                    self.data, {}, self.losses,
                )
            )  # fmt: skip

        @property
        def data(self) -> PartSpec:
            """The pictures as data."""
            return part("data", "sampled-views", size=self.size, estimator=self.estimator)

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, context: StageContext) -> None:
        config, store = self.config, self._store(context)
        views = self._views(context)
        if config.steps:
            mesh = self._fitted_mesh(views, context, store)
        else:
            mesh = generated_mesh(self._start(views, context), config.view)
        mesh = self._colored(mesh, views, context)
        store.prepare()
        _save(mesh, store.folder / MESH_FILE)
        context.artifacts.scene = self._finished(mesh)

    def _colored(self, mesh: Mesh, views: PosedImages, context: StageContext) -> Mesh:
        config = self.config
        with context.timings.measure("surface"):
            mesh = simplify(mesh, config.max_faces, config.tolerance)
        with context.timings.measure("colours"):
            return with_colors(mesh, views, config.texture_size)

    def restore(self, context: StageContext) -> None:
        path = self._store(context).folder / MESH_FILE
        if not path.is_file():
            raise RunError(f"{path} is missing; delete the folder to begin this stage anew")
        arrays = load_file(path)
        context.artifacts.scene = self._finished(Mesh(**{name: array.numpy() for name, array in arrays.items()}))

    def restore_stopped(self, context: StageContext) -> int:
        latest = self._store(context).latest()
        if latest is None:
            return 0
        scene = self._scene(context.method.seed)
        latest.load_part(scene, "scene")
        mesh, has_views = fitted_mesh(scene), self.config.views != "previous" or context.artifacts.views is not None
        context.artifacts.scene = self._finished(
            self._colored(mesh, self._views(context), context) if has_views else mesh
        )
        return latest.step

    def warm_up(self) -> None:
        scene = self._scene(0)
        views = exercise_scene(scene)
        mesh = simplify(fitted_mesh(scene), WARM_UP_FACES, tolerance=1.0)
        with_colors(mesh, views, min(self.config.texture_size, WARM_UP_TEXTURE))

    def _finished(self, mesh: Mesh) -> Scene:
        scene = mesh_scene(mesh, self.config.view, self.config.geometry.config.bound)
        return scene.to(device_or_cpu(self.config.loop.device))

    def _store(self, context: StageContext) -> CheckpointStore:
        return context.checkpoints(self.config.loop.keep_checkpoints)

    def _views(self, context: StageContext) -> PosedImages:
        key = f"stages.{context.name}.views"
        if self.config.views != "previous":
            views = load_posed_images(Path(self.config.views).expanduser(), Reading()).select("train")
        elif context.artifacts.views is not None:
            views = context.artifacts.views
        else:
            raise ConfigError(
                "there are no pictures to reconstruct from", key=key,
                hint="put a stage of type sample before this one, or give a folder of posed images",
            )  # fmt: skip
        if float(views.picture.alpha.min()) == 1:
            if self.config.views != "previous":
                raise ConfigError(
                    "the pictures are opaque, so nothing tells the object from its background", key=key,
                    hint="give pictures with an alpha channel",
                )  # fmt: skip
            _log.warning(
                "the sampled views are opaque, so the shape is all that every camera sees; matting cuts it out"
            )
        return views

    def _start(self, views: PosedImages, context: StageContext) -> Generated:
        method, draws = context.method, Draws(context.method.seed, -1, f"start/{context.name}/")
        request = Request(method.prompt, method.negative_prompt, words=context.artifacts.words)
        with context.timings.measure("start"):
            return self.config.start.build().generate(request, views, draws)

    def _fitted_mesh(self, views: PosedImages, context: StageContext, store: CheckpointStore) -> Mesh:
        config, seed = self.config, context.method.seed
        device = choose_device(config.loop.device)
        scene = self._scene(seed).to(device)
        data = config.data.build(views=views)
        with context.timings.measure("data"):
            data.prepare(device)
        if not (context.resume and store.latest()):
            self._begin(scene, data, views, context)
        losses = {name: spec.build() for name, spec in config.losses.items()}
        task = Optimisation(
            scene, {}, losses, None, data, config.learning_rates, context.method.prompt, context.timings
        )
        context.train(task, config.steps, config.loop)
        return fitted_mesh(scene)

    def _begin(self, scene: Scene, data: SampledViews, views: PosedImages, context: StageContext) -> None:
        """Give the geometry the generator's shape."""
        generated, geometry = self._start(views, context), scene.geometry
        if not isinstance(geometry, SDFVoxels):
            draws = Draws(context.method.seed, -1, f"convert/{context.name}/")
            convert(generated_scene(generated, self.config.view, geometry.bound), scene, draws)
            return
        target = data.all()
        small = PosedImages(target.picture, target.cameras, views.split, views.names)
        hull = visual_hull(small.to("cpu"), self.config.hull)
        pixel = float((target.cameras.distance / target.cameras.focal).mean())
        floor = Grid(hull.distances - FLOOR_PIXELS * pixel, hull.low, hull.cell)
        geometry.replace(generated_distances(generated, geometry.bound), floor)

    def _scene(self, seed: int) -> Scene:
        config = self.config
        torch.manual_seed(seed)  # initial parameters only; every later draw is keyed
        geometry = config.geometry.build()
        renderer = config.renderer.build(bound=geometry.bound)
        material, background = part("material", "plain").build(), part("background", "solid").build()
        return Scene(geometry, material, background, renderer, config.view)


def generated_mesh(generated: Generated, view: Viewpoint) -> Mesh:
    """The surface of what a generator made."""
    if isinstance(generated, Mesh):
        return generated
    if isinstance(generated, DistanceGrid):
        return grid_mesh(generated)
    return fitted_mesh(generated_scene(generated, view))


@torch.no_grad()
def fitted_mesh(scene: Scene) -> Mesh:
    """The surface of a scene, closed and in one piece."""
    if isinstance(scene.geometry, SDFVoxels):
        grid = scene.geometry.grid()
        return grid_mesh(DistanceGrid(grid.values, grid.low, grid.cell))
    distances = generated_distances(scene.surface(128), scene.bound)
    return grid_mesh(DistanceGrid(distances.values, distances.low, distances.cell))


def with_colors(mesh: Mesh, views: PosedImages, texture_size: int) -> Mesh:
    """The mesh with the views' colours: in a texture of this side, or at its vertices where it is 0."""
    if texture_size:
        return texture_from_views(mesh, views, texture_size)
    return vertex_colors_from_views(mesh, views)


def _save(mesh: Mesh, path: Path) -> None:
    arrays: dict[str, Any] = {name: getattr(mesh, name) for name in MESH_ARRAYS}
    with atomic_path(path) as temporary:
        save_file({name: torch.from_numpy(a) for name, a in arrays.items() if a is not None}, temporary)
