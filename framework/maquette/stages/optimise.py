"""Optimise a scene under the pull of priors, towards what it is known to look like, and in the care of losses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from maquette import registry
from maquette.config.parts import (
    BackgroundSpec,
    CamerasSpec,
    GeometrySpec,
    LossSpec,
    MaterialSpec,
    ObjectiveSpec,
    PartSpec,
    PriorSpec,
    RendererSpec,
    ScoreSpec,
    SupervisionSpec,
)
from maquette.config.schedules import Schedule
from maquette.conversion import convert
from maquette.errors import ConfigError
from maquette.losses.base import Comparison
from maquette.randomness import Draws
from maquette.registry import register
from maquette.runs.checkpoints import CheckpointStore
from maquette.runs.loop import Loop, LoopConfig
from maquette.scene import Scene, Viewpoint
from maquette.stages._optimisation import Guide, Optimisation
from maquette.stages.base import Stage, StageContext


@dataclass(frozen=True)
class Guidance:
    """objective(score(prior)), weighed."""

    prior: PriorSpec
    score: ScoreSpec
    objective: ObjectiveSpec
    weight: Schedule = Schedule.constant(1.0)

    def __post_init__(self) -> None:
        lacking = self.score.cls.needs - self.prior.cls.gives
        if lacking:
            raise ValueError(
                f"score {self.score.name!r} needs {_words(lacking)}, which prior {self.prior.name!r} does not give; "
                f"it gives {_words(self.prior.cls.gives)}"
            )


@register("stage", "optimise")
class Optimise(Stage):
    """Optimise geometry, material and background so that renderings please the guidance and the losses.

    Views from `cameras` are judged by the guidance, views of the `data` by the losses that compare; the other losses
    look at the former, or at the latter where there are no cameras.
    """

    @dataclass(frozen=True)
    class Config:
        geometry: GeometrySpec
        material: MaterialSpec
        background: BackgroundSpec
        renderer: RendererSpec
        cameras: CamerasSpec | None = None
        data: SupervisionSpec | None = None
        guidance: dict[str, Guidance] = field(default_factory=dict)
        losses: dict[str, LossSpec] = field(default_factory=dict)
        start: Literal["scratch", "previous"] = "scratch"  # previous: from the scene of the stage before, converted
        steps: int = 1000  # optimiser steps
        learning_rates: dict[str, Schedule] = field(default_factory=dict)  # geometry, network, material, background
        view: Viewpoint = field(default_factory=Viewpoint)  # from where previews and exports see the object
        loop: LoopConfig = field(default_factory=LoopConfig)

        def __post_init__(self) -> None:
            if self.steps < 1:
                raise ValueError(f"steps is at least 1, not {self.steps}")
            if not self.guidance and not self.losses:
                raise ValueError("an optimise stage needs guidance or losses")
            if self.cameras is None and (self.guidance or self.data is None):
                raise ValueError("missing value: cameras, from where the object is looked at")
            _fit(self)

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, context: StageContext) -> None:
        config = self.config
        cuda = config.loop.device != "cpu" and torch.cuda.is_available()
        device = torch.device("cuda" if cuda else "cpu")
        scene = self._scene(context.method.seed).to(device)
        if config.start == "previous" and not (context.resume and self._store(context).latest()):
            self._take_over(scene, context)
        with context.timings.measure("load priors"):
            guidance = {name: Guide(spec, context.method) for name, spec in config.guidance.items()}
        data = config.data.build() if config.data is not None else None
        if data is not None:
            with context.timings.measure("data"):
                data.prepare(device)
        task = Optimisation(scene, guidance, data, config, context)
        loop = Loop(
            context.name, task, config.steps, config.loop, context.method.seed,
            self._store(context), context.metrics(), context.previews(), context.timings,
        )  # fmt: skip
        loop.run(context.resume)
        context.artifacts["scene"] = scene

    def restore(self, context: StageContext) -> None:
        scene = self._scene(context.method.seed)
        latest = self._store(context).latest()
        if latest is not None:
            latest.load(Optimisation(scene, {}, None, self.config, context), optimizer=None)
        context.artifacts["scene"] = scene

    def _store(self, context: StageContext) -> CheckpointStore:
        return context.checkpoints(self.config.loop.keep_checkpoints)

    def _take_over(self, scene: Scene, context: StageContext) -> None:
        if "scene" not in context.artifacts:
            raise ConfigError(
                "there is no scene to start from",
                key=f"stages.{context.name}.start",
                hint="put a stage that makes one before this one, or start from scratch",
            )
        with context.timings.measure("convert"):
            convert(context.artifacts["scene"], scene, Draws(context.method.seed, -1, f"convert/{context.name}/"))

    def _scene(self, seed: int) -> Scene:
        config = self.config
        torch.manual_seed(seed)  # initial parameters only; every later draw is keyed
        geometry = config.geometry.build()
        renderer = config.renderer.build(bound=geometry.bound)
        return Scene(geometry, config.material.build(), config.background.build(), renderer, config.view)


def _fit(config: Optimise.Config) -> None:
    """Refuse parts that do not go together, with the ones that would."""
    renderer, geometry = config.renderer, config.geometry
    if renderer.cls.takes != geometry.cls.provides:
        fitting = [
            name for name in registry.names("renderer") if registry.get("renderer", name).takes == geometry.cls.provides
        ]
        raise ValueError(
            f"renderer {renderer.name!r} takes a {renderer.cls.takes}, but geometry {geometry.name!r} is a "
            f"{geometry.cls.provides}; renderers that fit: {', '.join(fitting) or 'none'}"
        )
    channels = getattr(geometry.config, "channels", 0)
    if channels < config.material.cls.channels:
        raise ValueError(
            f"material {config.material.name!r} reads {config.material.cls.channels} channels, but geometry "
            f"{geometry.name!r} has {channels}; set geometry.channels"
        )
    for name, loss in config.losses.items():
        if issubclass(loss.cls, Comparison):
            _fit_comparison(name, loss, config)
        lacking = loss.cls.needs - renderer.cls.gives - geometry.cls.offers
        if lacking:
            raise ValueError(
                f"loss {name!r} needs {_words(lacking)}, which renderer {renderer.name!r} with geometry "
                f"{geometry.name!r} does not give"
            )


def _fit_comparison(name: str, loss: PartSpec, config: Optimise.Config) -> None:
    if config.data is None:
        raise ValueError(f"loss {name!r} compares with known views, but the stage has no 'data'")
    lacking = loss.cls.wants - config.data.cls.gives
    if lacking:
        raise ValueError(f"loss {name!r} wants {_words(lacking)}, which data {config.data.name!r} does not give")


def _words(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
