"""Optimise a scene under the pull of priors and the care of losses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from maquette import registry
from maquette.config.parts import (
    BackgroundSpec,
    CamerasSpec,
    GeometrySpec,
    LossSpec,
    MaterialSpec,
    ObjectiveSpec,
    PriorSpec,
    RendererSpec,
    ScoreSpec,
)
from maquette.config.schedules import Schedule
from maquette.conversion import convert
from maquette.errors import ConfigError
from maquette.priors.base import Request
from maquette.randomness import Draws
from maquette.registry import register
from maquette.runs.checkpoints import CheckpointStore
from maquette.runs.loop import Loop, LoopConfig, ParameterGroup, Task
from maquette.scene import Scene, Viewpoint
from maquette.stages.base import Stage, StageContext
from maquette.terms import Terms


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
    """Optimise geometry, material and background so that renderings please the guidance and the losses."""

    @dataclass(frozen=True)
    class Config:
        cameras: CamerasSpec
        geometry: GeometrySpec
        material: MaterialSpec
        background: BackgroundSpec
        renderer: RendererSpec
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
            guidance = {name: _Guide(spec, context.method) for name, spec in config.guidance.items()}
        task = _Optimisation(scene, guidance, config, context)
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
            latest.load(_Optimisation(scene, {}, self.config, context), optimizer=None)
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


class _Guide:
    """One guidance, built: its prior is frozen and no part of the task's state."""

    def __init__(self, spec: Guidance, method: Any) -> None:
        self.prior, self.score, self.objective = spec.prior.build(), spec.score.build(), spec.objective.build()
        self.weight = spec.weight
        self.conditions = self.prior.condition(Request(method.prompt, method.negative_prompt))


class _Optimisation(Task):
    def __init__(
        self, scene: Scene, guidance: dict[str, _Guide], config: Optimise.Config, context: StageContext
    ) -> None:
        super().__init__()
        self.scene = scene
        self._guidance, self._config, self._context = guidance, config, context
        self._sampler = config.cameras.build()
        self._losses = {name: spec.build() for name, spec in config.losses.items()}
        self._seen: dict[str, Any] = {}

    def groups(self) -> list[ParameterGroup]:
        parameters = dict(self.scene.geometry.groups())
        parameters["material"] = list(self.scene.material.parameters())
        parameters["background"] = list(self.scene.background.parameters())
        rates = self._config.learning_rates
        default = rates.get("default", Schedule.constant(1e-2))
        return [ParameterGroup(name, ps, rates.get(name, default)) for name, ps in parameters.items() if ps]

    def terms(self, step: int, draws: Draws) -> Terms:
        scene, timings, total = self.scene, self._context.timings, self._config.steps
        scene.geometry.prepare(step, total)
        with timings.measure("occupancy"):
            scene.renderer.update(scene.geometry, step, draws.sub("renderer"))
        cameras = self._sampler.sample(step, total, draws.sub("cameras"))
        shading = scene.material.shading(step, total, draws.sub("material"))
        weights = {name: loss.weight(step, total) for name, loss in self._losses.items()}
        active = {name: self._losses[name] for name, weight in weights.items() if weight != 0}
        normals = any("normal" in loss.needs for loss in active.values())
        with timings.measure("render"):
            rendering = scene.renderer.render(
                scene.geometry, scene.material, scene.background, cameras.to(scene.device), shading,
                normals, draws.sub("render"),
            )  # fmt: skip
        terms = Terms()
        for name, guide in self._guidance.items():
            with timings.measure(f"guidance {name}"):
                found = guide.objective(
                    rendering, cameras, guide.prior, guide.score, guide.conditions.at(cameras), step, total,
                    draws.sub(name),
                )  # fmt: skip
            terms.add(found, guide.weight(step, total), prefix="" if len(self._guidance) == 1 else f"{name}/")
        for name, loss in active.items():
            terms.add(Terms({name: loss(rendering, scene.geometry)}), weights[name])
        terms.logs["opacity"] = float(rendering.opacity.detach().mean())
        self._seen = {
            "prompt": self._context.method.prompt,
            "timestep": terms.logs.get("timestep"),
            "azimuth_deg": cameras.azimuth_deg.tolist(),
            "elevation_deg": cameras.elevation_deg.tolist(),
        }
        return terms

    def preview(self, step: int) -> np.ndarray:
        views = self.scene.render([0, 90, 180, 270], 20.0, 96)
        assert views.normal is not None
        normals = views.normal * 0.5 + 0.5 * views.opacity[..., None]
        return np.concatenate([np.concatenate(list(row), axis=1) for row in (views.rgb, normals)])

    def describe(self) -> dict[str, Any]:
        return self._seen


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
        lacking = loss.cls.needs - renderer.cls.gives - geometry.cls.offers
        if lacking:
            raise ValueError(
                f"loss {name!r} needs {_words(lacking)}, which renderer {renderer.name!r} with geometry "
                f"{geometry.name!r} does not give"
            )


def _words(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
