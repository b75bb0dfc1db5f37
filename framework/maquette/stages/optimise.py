"""Optimisation of a scene under guidance by priors, reconstruction losses and regularisers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch

from maquette.annotations import Count, PathKind
from maquette.config.parts import (
    BackgroundSpec,
    CamerasSpec,
    DataSpec,
    GeneratorSpec,
    GeometrySpec,
    LossSpec,
    MaterialSpec,
    PartSpec,
    RendererSpec,
)
from maquette.config.schedules import NonNegativeSchedule
from maquette.config.schema import MethodConfig
from maquette.conversions import convert
from maquette.data.base import Data
from maquette.errors import ConfigError
from maquette.generators.results import generated_scene
from maquette.kernels.devices import choose_device, device_or_cpu
from maquette.losses.base import Loss
from maquette.randomness import Draws, Moment
from maquette.registry import register
from maquette.scene import Scene, Viewpoint
from maquette.stages.assembly import StageParts, check_stage, check_targets
from maquette.stages.base import Stage, StageContext, no_checkpoints
from maquette.stages.exercise import exercise_scene
from maquette.stages.finished import finished_scene
from maquette.stages.guidance import BuiltGuidance, Guidance, build_guidance, build_request
from maquette.stages.optimisation import Optimisation
from maquette.training.checkpoints import CheckpointStore
from maquette.training.run_folder import RunFolder
from maquette.training.settings import INTERVALS, LoopConfig
from maquette.training.timings import Timings

Start = Annotated[str, PathKind("input", words=("scratch", "previous"))]


@register("stage", "optimise")
class Optimise(Stage):
    """Optimise geometry, material and background under guidance and losses.

    Guidance takes renderings from `cameras`. Losses that compare with targets, and objectives that need data, take
    renderings from the cameras of the `data`. The other losses take the former, or the latter in a stage without
    cameras.
    """

    changeable = ("steps", *INTERVALS)

    @dataclass(frozen=True)
    class Config:
        geometry: GeometrySpec
        material: MaterialSpec
        background: BackgroundSpec
        renderer: RendererSpec
        cameras: CamerasSpec | None = None
        data: DataSpec | None = None
        guidance: dict[str, Guidance] = field(default_factory=dict)
        losses: dict[str, LossSpec] = field(default_factory=dict)
        start: Start | GeneratorSpec = (
            "scratch"  # or previous, a run folder or a generator: the scene of that stage or run, or made, converted
        )
        steps: Count = 1000  # optimiser steps
        learning_rates: dict[str, NonNegativeSchedule] = field(
            default_factory=dict
        )  # geometry, network, material, background
        view: Viewpoint = field(default_factory=Viewpoint)  # camera of previews and exports
        loop: LoopConfig = field(default_factory=LoopConfig)

        def __post_init__(self) -> None:
            if not self.guidance and not self.losses:
                raise ValueError("an optimise stage needs guidance or losses")
            start = self.start
            folder = Path(start) if isinstance(start, str) and start not in ("scratch", "previous") else None
            if folder is not None and not (folder / "config.yaml").is_file():
                raise ValueError(
                    f"start is scratch, previous or a run folder, and {start!r} is none of them; a generator is a "
                    "mapping, {type: ...}"
                )
            guidance = {name: guidance.parts for name, guidance in self.guidance.items()}
            check_stage(
                StageParts(
                    self.geometry, self.material, self.background, self.renderer, self.cameras, self.data, guidance,
                    self.losses,
                )
            )  # fmt: skip

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, context: StageContext) -> None:
        config = self.config
        device = choose_device(config.loop.device)
        scene = self._scene(context.method.seed).to(device)
        data = None
        if config.data is not None:
            data = context.build_data(config.data)
            with context.timings.measure("data"):
                data.prepare(device)
            target = data.sample(Moment(0, 1, Draws(context.method.seed, 0, "look/")))
            check_targets(config.losses, config.data, target, f"stages.{context.name}.losses")
        if config.start != "scratch" and not (context.resume and self._store(context).latest()):
            self._convert_start(scene, data, context)
        with context.timings.measure("load priors"):
            guidance = build_guidance(config.guidance, context.method, data, context.artifacts.words)
        task = build_task(config, scene, guidance, data, context.method, context.timings)
        context.train(task, config.steps, config.loop)
        context.artifacts.scene = scene

    def restore(self, context: StageContext) -> None:
        if not self.restore_stopped(context):
            raise no_checkpoints(context)

    def restore_stopped(self, context: StageContext) -> int:
        latest = self._store(context).latest()
        if latest is None:
            return 0
        scene = self._scene(context.method.seed)
        latest.load_part(scene, "scene")
        context.artifacts.scene = scene.to(device_or_cpu(self.config.loop.device))
        return latest.step

    def warm_up(self) -> None:
        exercise_scene(self._scene(0))

    def _store(self, context: StageContext) -> CheckpointStore:
        return context.checkpoints(self.config.loop.keep_checkpoints)

    def _convert_start(self, scene: Scene, data: Data | None, context: StageContext) -> None:
        with context.timings.measure("convert"):
            convert(self._source(data, context), scene, Draws(context.method.seed, -1, f"convert/{context.name}/"))

    def _source(self, data: Data | None, context: StageContext) -> Scene:
        """The scene to start from."""
        start = self.config.start
        if isinstance(start, PartSpec):
            request = build_request(context.method, data, context.artifacts.words)
            draws = Draws(context.method.seed, -1, f"start/{context.name}/")
            generated = start.build().generate(request, context.artifacts.views, draws)
            return generated_scene(generated, self.config.view, self.config.geometry.config.bound)
        if start != "previous":
            return finished_scene(RunFolder.read(Path(start)))
        if context.artifacts.scene is None:
            raise ConfigError(
                "there is no scene to start from",
                key=f"stages.{context.name}.start",
                hint="put a stage that makes one before this one, give a run folder, or start from scratch",
            )
        return context.artifacts.scene

    def _scene(self, seed: int) -> Scene:
        config = self.config
        torch.manual_seed(seed)  # initial parameters only; every later draw is keyed
        geometry = config.geometry.build()
        renderer = config.renderer.build(bound=geometry.bound)
        return Scene(geometry, config.material.build(), config.background.build(), renderer, config.view)


def build_task(
    config: Optimise.Config,
    scene: Scene,
    guidance: dict[str, BuiltGuidance],
    data: Data | None,
    method: MethodConfig,
    timings: Timings | None = None,
) -> Optimisation:
    """The optimisation task of a stage, with losses and cameras built and losses prepared."""
    losses = {name: spec.build() for name, spec in config.losses.items()}
    for loss in losses.values():
        if isinstance(loss, Loss):
            loss.prepare(build_request(method, data))
    cameras = config.cameras.build() if config.cameras is not None else None
    return Optimisation(scene, guidance, losses, cameras, data, config.learning_rates, method.prompt, timings)
