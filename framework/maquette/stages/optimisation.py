"""The task of an optimise stage: one step, from cameras to weighted terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from maquette.cameras.base import Cameras, CameraSampler
from maquette.config.schedules import Schedule
from maquette.data.base import Data, Target
from maquette.geometry.base import ChangedRows
from maquette.kernels.precision import without_autocast
from maquette.kernels.splatting import Projected
from maquette.losses.base import Comparison, Loss, Probe, Surroundings
from maquette.materials.base import Shading
from maquette.objectives.terms import Terms
from maquette.randomness import Draws, Moment
from maquette.renderers.base import Rendering, View
from maquette.scene import Scene
from maquette.stages.guidance import Guide
from maquette.training.task import ParameterGroup, Task
from maquette.training.timings import Timings


class Optimisation(Task):
    """Steps a scene.

    Args:
        scene: what is optimised.
        guidance: by name.
        losses: by name, prepared.
        cameras: samples those of the guidance; None: there are only the data's.
        data: known views, prepared; None: there are none.
        learning_rates: of parameter groups by name; "default" for all others.
        prompt: for the report on a step whose numbers are not finite.
        timings: adds up time by part.
    """

    def __init__(
        self,
        scene: Scene,
        guidance: dict[str, Guide],
        losses: dict[str, Loss | Comparison | Probe],
        cameras: CameraSampler | None,
        data: Data | None,
        learning_rates: Mapping[str, Schedule],
        prompt: str = "",
        timings: Timings | None = None,
    ) -> None:
        super().__init__()
        self.scene = scene
        self.beside = nn.ModuleDict(
            {name: guide.beside for name, guide in guidance.items() if guide.beside is not None}
        )
        self._guidance, self._losses, self._sampler, self._data = guidance, losses, cameras, data
        self._rates, self._prompt, self._timings = learning_rates, prompt, timings or Timings()
        self._seen: dict[str, Any] = {}
        self._projections: tuple[Projected, ...] = ()

    def groups(self) -> list[ParameterGroup]:
        parameters = dict(self.scene.geometry.groups())
        parameters["material"] = list(self.scene.material.parameters())
        parameters["background"] = list(self.scene.background.parameters())
        rates = self._rates
        default = rates.get("default", Schedule.constant(1e-2))
        groups = [ParameterGroup(name, ps, rates.get(name, default)) for name, ps in parameters.items() if ps]
        return groups + [
            ParameterGroup(f"beside {name}", ps, self._guidance[name].objective.learning_rate)
            for name, module in self.beside.items()
            if (ps := list(module.parameters()))
        ]

    def terms(self, moment: Moment) -> Terms:
        scene, timings, draws = self.scene, self._timings, moment.draws
        scene.geometry.prepare(moment)
        with timings.measure("occupancy"):
            scene.renderer.update(scene.geometry, moment.sub("renderer"))
        self._projections = ()
        weights = {name: loss.weight.at(moment) for name, loss in self._losses.items()}
        active = {name: self._losses[name] for name, weight in weights.items() if weight != 0}
        shown = {name: weight for name, guide in self._guidance.items() if (weight := guide.weight.at(moment))}
        revising = {name: weight for name, weight in shown.items() if self._guidance[name].uses_data}
        terms, rendering, around = Terms(), None, None
        normals = any(loss.reads_normals for loss in active.values())
        if self._sampler is not None:
            cameras = self._sampler.sample(moment.sub("cameras"))
            shading = scene.material.shading(moment.sub("material"))
            shown = {name: weight for name, weight in shown.items() if name not in revising}
            seen = normals or any(self._guidance[name].sees_normals for name in shown)
            rendering, around = self._watch(cameras, shading, draws.sub("render"), seen)
            self._guide(terms, rendering, cameras, shown, moment)
            self._seen = {
                "prompt": self._prompt,
                "timestep": terms.logs.get("timestep"),
                "azimuth_deg": cameras.azimuth_deg.tolist(),
                "elevation_deg": cameras.elevation_deg.tolist(),
            }
        if self._data is not None:
            target = self._data.sample(moment.sub("data"))
            known_normals = normals or any(self._guidance[name].sees_normals for name in revising)
            known, around_known = self._watch(target.cameras, Shading(), draws.sub("known"), known_normals)
            for name, loss in active.items():
                if isinstance(loss, Comparison):
                    terms.add(Terms({name: loss(known, target)}), weights[name])
            self._guide(terms, known, target.cameras, revising, moment, target)
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

    def after_step(self, moment: Moment) -> list[ChangedRows]:
        if not self._projections:
            return []
        rates = {group.name: group.learning_rate.at(moment) for group in self.groups()}
        return self.scene.geometry.adapt(self._projections, moment, rates)

    def preview(self, step: int) -> np.ndarray:
        views = self.scene.render([0, 90, 180, 270], 20.0, 96)
        assert views.normal is not None
        normals = views.normal * 0.5 + 0.5 * views.picture.alpha
        return np.concatenate([np.concatenate(list(row.numpy()), axis=1) for row in (views.rgb, normals)])

    def describe(self) -> dict[str, Any]:
        return self._seen

    def _watch(self, cameras: Cameras, shading: Shading, draws: Draws, normals: bool) -> tuple[Rendering, Surroundings]:
        """A rendering, by which the geometry judges where to grow, and what is about it, by which it does not."""
        rendering = self._render(cameras, shading, draws, normals)
        self._projections += rendering.projections or ()
        again = partial(self._render, shading=shading, draws=draws, normals=False)
        return rendering, Surroundings(cameras, self.scene.geometry, again, draws.sub("loss"))

    def _render(self, cameras: Cameras, shading: Shading, draws: Draws, normals: bool) -> Rendering:
        scene = self.scene
        with self._timings.measure("render"):
            view = View(cameras.to(scene.device), shading, normals, draws)
            return scene.renderer.render(scene.geometry, scene.material, scene.background, view)

    def _guide(
        self,
        terms: Terms,
        rendering: Rendering,
        cameras: Cameras,
        weights: dict[str, float],
        moment: Moment,
        target: Target | None = None,
    ) -> None:
        for name, weight in weights.items():
            guide = self._guidance[name]
            with self._timings.measure(f"guidance {name}"), without_autocast():  # priors have a precision of their own
                denoiser = guide.denoiser(rendering, cameras)
                found = guide.objective(guide.look(rendering, cameras), denoiser, moment.sub(name), target)
            terms.add(found, weight, prefix="" if len(self._guidance) == 1 else f"{name}/")
