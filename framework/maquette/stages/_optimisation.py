"""The task of an optimise stage: one step, from cameras to weighted terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from maquette.cameras.base import Cameras
from maquette.config.schedules import Schedule
from maquette.data.base import Data, Target
from maquette.geometry.base import ChangedRows
from maquette.kernels.splatting import Projected
from maquette.losses.base import Comparison, Loss, Probe, Surroundings
from maquette.materials.base import Shading
from maquette.objectives.terms import Terms
from maquette.priors.base import Prior, Request
from maquette.randomness import Draws
from maquette.renderers.base import Rendering
from maquette.scene import Scene
from maquette.stages._sight import camera_normals, sight
from maquette.stages.base import StageContext
from maquette.training.loop import ParameterGroup, Task

if TYPE_CHECKING:
    from maquette.stages.optimise import Guidance, Optimise


class Guide:
    """One guidance, built: its prior is frozen and no part of the task's state, what it trains `beside` it is."""

    def __init__(
        self, spec: Guidance, prior: Prior, method: Any, data: Data | None = None, words: Sequence[Path] = ()
    ) -> None:
        self.prior, self.score, self.objective = prior, spec.score.build(), spec.objective.build()
        self.weight, self._sees = spec.weight, spec.sees
        self._watches = spec.prior.cls.watches(spec.prior.config)
        request = request_of(method, data, words, spec.prompt)
        self.conditions = self.prior.condition(request)
        self.beside: nn.Module | None = self.objective.prepare(prior, request, data)

    @property
    def sees_normals(self) -> bool:
        """Whether it has to be shown normals."""
        return self._sees != "rgb" or "normal" in self._watches

    def look(self, rendering: Rendering, cameras: Cameras) -> Rendering:
        """The rendering by these cameras as the prior is to see it."""
        if self._sees == "rgb":
            return rendering
        normal = rendering.normal
        assert normal is not None
        if self._sees == "camera-normal":
            normal = camera_normals(normal, cameras)
        if self._sees != "normal-mask":
            return replace(rendering, rgb=normal / 2 + 0.5, latents=None)
        return replace(rendering, latents=torch.cat([normal, rendering.opacity], dim=-1))

    def told(self, rendering: Rendering, cameras: Cameras) -> dict[str, Any]:
        """The conditions that fit these cameras' views, and the rendering where the prior watches it."""
        conditions = self.conditions.at(cameras)
        return self.prior.watch(conditions, sight(rendering, cameras)) if self._watches else conditions


def request_of(method: Any, data: Data | None, words: Sequence[Path] = (), prompt: str = "") -> Request:
    """What a method makes, or `prompt`, with known pictures of it and the files of words that were learned for it."""
    references = data.references() if data is not None else ()
    first = next(iter(references), None)
    return Request(prompt or method.prompt, method.negative_prompt, first, references[1:], tuple(words))


def build_guides(
    specs: dict[str, Guidance], method: Any, data: Data | None = None, words: Sequence[Path] = ()
) -> dict[str, Guide]:
    """All guidance of a stage; where the same prior is named twice, it is loaded once.

    Args:
        method: whose prompts are asked for.
        data: the stage's known views, read.
        words: files of textual inversion, made by earlier stages.
    """
    guides: dict[str, Guide] = {}
    loaded: list[tuple[Any, Prior]] = []
    for name, spec in specs.items():
        prior = next((known for other, known in loaded if other == spec.prior), None)
        if prior is None:
            prior = spec.prior.build()
            loaded.append((spec.prior, prior))
        guides[name] = Guide(spec, prior, method, data, words)
    return guides


class Optimisation(Task):
    """Steps a scene."""

    def __init__(
        self,
        scene: Scene,
        guidance: dict[str, Guide],
        data: Data | None,
        config: Optimise.Config,
        context: StageContext,
    ) -> None:
        super().__init__()
        self.scene = scene
        self.beside = nn.ModuleDict(
            {name: guide.beside for name, guide in guidance.items() if guide.beside is not None}
        )
        self._guidance, self._data, self._config, self._context = guidance, data, config, context
        self._sampler = config.cameras.build() if config.cameras is not None else None
        self._losses: dict[str, Loss | Comparison | Probe] = {
            name: spec.build() for name, spec in config.losses.items()
        }
        request = request_of(context.method, data)
        for loss in self._losses.values():
            if isinstance(loss, Loss):
                loss.prepare(request)
        self._seen: dict[str, Any] = {}
        self._footprints: tuple[Projected, ...] = ()

    def groups(self) -> list[ParameterGroup]:
        parameters = dict(self.scene.geometry.groups())
        parameters["material"] = list(self.scene.material.parameters())
        parameters["background"] = list(self.scene.background.parameters())
        rates = self._config.learning_rates
        default = rates.get("default", Schedule.constant(1e-2))
        groups = [ParameterGroup(name, ps, rates.get(name, default)) for name, ps in parameters.items() if ps]
        return groups + [
            ParameterGroup(f"beside {name}", ps, self._guidance[name].objective.learning_rate)
            for name, module in self.beside.items()
            if (ps := list(module.parameters()))
        ]

    def terms(self, step: int, draws: Draws) -> Terms:
        scene, timings, total = self.scene, self._context.timings, self._config.steps
        scene.geometry.prepare(step, total)
        with timings.measure("occupancy"):
            scene.renderer.update(scene.geometry, step, draws.sub("renderer"))
        self._footprints = ()
        weights = {name: loss.weight(step, total) for name, loss in self._losses.items()}
        active = {name: self._losses[name] for name, weight in weights.items() if weight != 0}
        shown = {name: weight for name, guide in self._guidance.items() if (weight := guide.weight(step, total))}
        revising = {name: weight for name, weight in shown.items() if self._guidance[name].objective.wants_data}
        terms, rendering, around = Terms(), None, None
        normals = any("normal" in loss.needs for loss in active.values())
        if self._sampler is not None:
            cameras = self._sampler.sample(step, total, draws.sub("cameras"))
            shading = scene.material.shading(step, total, draws.sub("material"))
            shown = {name: weight for name, weight in shown.items() if name not in revising}
            seen = normals or any(self._guidance[name].sees_normals for name in shown)
            rendering, around = self._watch(cameras, shading, draws.sub("render"), seen)
            self._guide(terms, rendering, cameras, shown, step, draws)
            self._seen = {
                "prompt": self._context.method.prompt,
                "timestep": terms.logs.get("timestep"),
                "azimuth_deg": cameras.azimuth_deg.tolist(),
                "elevation_deg": cameras.elevation_deg.tolist(),
            }
        if self._data is not None:
            target = self._data.sample(step, total, draws.sub("data"))
            known_normals = normals or any(self._guidance[name].sees_normals for name in revising)
            known, around_known = self._watch(target.cameras, Shading(), draws.sub("known"), known_normals)
            for name, loss in active.items():
                if isinstance(loss, Comparison):
                    terms.add(Terms({name: loss(known, target)}), weights[name])
            self._guide(terms, known, target.cameras, revising, step, draws, target=target)
            if rendering is None:
                rendering, around = known, around_known
        assert rendering is not None and around is not None
        for name, loss in active.items():
            if isinstance(loss, Loss):
                terms.add(Terms({name: loss(rendering, scene.geometry)}), weights[name])
            elif isinstance(loss, Probe):
                own = replace(around, draws=around.draws.sub(name))
                terms.add(Terms({name: loss(rendering, own)}), weights[name])
        terms.logs["opacity"] = float(rendering.opacity.detach().mean())
        return terms

    def after_step(self, step: int, draws: Draws) -> list[ChangedRows]:
        if not self._footprints:
            return []
        return self.scene.geometry.adapt(self._footprints, step, self._config.steps, draws)

    def preview(self, step: int) -> np.ndarray:
        views = self.scene.render([0, 90, 180, 270], 20.0, 96)
        assert views.normal is not None
        normals = views.normal * 0.5 + 0.5 * views.opacity[..., None]
        return np.concatenate([np.concatenate(list(row), axis=1) for row in (views.rgb, normals)])

    def describe(self) -> dict[str, Any]:
        return self._seen

    def _watch(self, cameras: Cameras, shading: Shading, draws: Draws, normals: bool) -> tuple[Rendering, Surroundings]:
        """A rendering, by which the geometry judges where to grow, and what is about it, by which it does not."""
        rendering = self._render(cameras, shading, draws, normals)
        self._footprints += rendering.footprints or ()
        again = partial(self._render, shading=shading, draws=draws, normals=False)
        return rendering, Surroundings(cameras, self.scene.geometry, again, draws.sub("loss"))

    def _render(self, cameras: Cameras, shading: Shading, draws: Draws, normals: bool) -> Rendering:
        scene = self.scene
        with self._context.timings.measure("render"):
            return scene.renderer.render(
                scene.geometry, scene.material, scene.background, cameras.to(scene.device), shading, normals, draws
            )

    def _guide(
        self,
        terms: Terms,
        rendering: Rendering,
        cameras: Cameras,
        weights: dict[str, float],
        step: int,
        draws: Draws,
        **known: Target,
    ) -> None:
        for name, weight in weights.items():
            guide = self._guidance[name]
            with self._context.timings.measure(f"guidance {name}"):
                found = guide.objective(
                    guide.look(rendering, cameras), cameras, guide.prior, guide.score, guide.told(rendering, cameras),
                    step, self._config.steps, draws.sub(name), **known,
                )  # fmt: skip
            terms.add(found, weight, prefix="" if len(self._guidance) == 1 else f"{name}/")
