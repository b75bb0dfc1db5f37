"""The task of an optimise stage: one step, from cameras to weighted loss terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from maquette.cameras.base import Cameras, CameraSampler
from maquette.config.schedules import Schedule
from maquette.data.base import Data, Reference, Target
from maquette.geometry.base import ChangedRows
from maquette.kernels.precision import without_autocast
from maquette.kernels.splatting import Projected
from maquette.losses.base import Comparison, Loss, Probe, RenderContext, as_terms
from maquette.materials.base import Shading
from maquette.objectives.terms import Terms
from maquette.randomness import Draws, Moment
from maquette.renderers.base import Rendering, View
from maquette.scene import Scene
from maquette.stages.guidance import BuiltGuidance
from maquette.training.task import ParameterGroup, Task
from maquette.training.timings import Timings


@dataclass(frozen=True)
class StepPictures:
    """What the latest step looked at.

    Args:
        cameras: of the pictures [B].
        pictures: what the losses saw ("render") and what each guidance was given, by its name; colours or normals in
            [0, 1].
    """

    cameras: Cameras
    pictures: dict[str, Float[Tensor, "B H W 3"]]


class Optimisation(Task):
    """Optimises a scene under guidance and losses.

    Args:
        scene: the scene to optimise.
        guidance: name -> built guidance.
        losses: name -> loss, prepared.
        cameras: samples the cameras of guidance without data; None: all guidance uses the data's cameras.
        data: target images with cameras, loaded; None: there are none.
        learning_rates: parameter group -> learning rate; "default" for all others.
        prompt: for the report on non-finite numbers.
        timings: adds up time by part.

    Attributes:
        weights: of guidance and losses as they were configured, by key: `guidance.sds`, `losses.opacity`.
    """

    def __init__(
        self,
        scene: Scene,
        guidance: dict[str, BuiltGuidance],
        losses: dict[str, Loss | Comparison | Probe],
        cameras: CameraSampler | None,
        data: Data | None,
        learning_rates: Mapping[str, Schedule],
        prompt: str = "",
        timings: Timings | None = None,
    ) -> None:
        super().__init__()
        self.scene = scene
        self.auxiliary = nn.ModuleDict(
            {name: built.auxiliary for name, built in guidance.items() if built.auxiliary is not None}
        )
        self._guidance, self._losses, self._sampler, self._data = guidance, losses, cameras, data
        self._first = next(iter(guidance), "")  # its terms go by their own names, whatever guidance is added after it
        self._rates, self._prompt, self._timings = learning_rates, prompt, timings or Timings()
        self._last_step: dict[str, Any] = {}
        self._projections: tuple[Projected, ...] = ()
        self._overrides: dict[str, float] = {}
        self.weights = {f"guidance.{name}": built.weight for name, built in guidance.items()}
        self.weights |= {f"losses.{name}": loss.weight for name, loss in losses.items()}
        self.latest: StepPictures | None = None

    @property
    def references(self) -> Sequence[Reference]:
        """The posed pictures of the data; none without data."""
        return self._data.references() if self._data is not None else ()

    def override_weight(self, key: str, value: float) -> None:
        """Replace a weight's schedule by a number, from the next step on; `key` as in `weights`."""
        self._overrides[key] = value

    def weight_at(self, key: str, moment: Moment) -> float:
        """The weight at a step: the schedule's value, or the number that replaced it."""
        return self._overrides.get(key, self.weights[key].at(moment))

    def groups(self) -> list[ParameterGroup]:
        parameters = dict(self.scene.geometry.groups())
        parameters["material"] = list(self.scene.material.parameters())
        parameters["background"] = list(self.scene.background.parameters())
        rates = self._rates
        default = rates.get("default", Schedule.constant(1e-2))
        groups = [ParameterGroup(name, ps, rates.get(name, default)) for name, ps in parameters.items() if ps]
        return groups + [
            ParameterGroup(f"auxiliary {name}", ps, self._guidance[name].objective.learning_rate)
            for name, module in self.auxiliary.items()
            if (ps := list(module.parameters()))
        ]

    def terms(self, moment: Moment) -> Terms:
        scene, timings, draws = self.scene, self._timings, moment.draws
        scene.geometry.prepare(moment)
        with timings.measure("occupancy"):
            scene.renderer.update(scene.geometry, moment.sub("renderer"))
        self._projections = ()
        weights = {name: self.weight_at(f"losses.{name}", moment) for name in self._losses}
        active = {name: self._losses[name] for name, weight in weights.items() if weight != 0}
        guidance = {name: w for name in self._guidance if (w := self.weight_at(f"guidance.{name}", moment))}
        data_guidance = {name: weight for name, weight in guidance.items() if self._guidance[name].uses_data}
        terms, rendering, context = Terms(), None, None
        normals = any(loss.reads_normals for loss in active.values())
        if self._sampler is not None:
            cameras = self._sampler.sample(moment.sub("cameras"))
            shading = scene.material.shading(moment.sub("material"))
            guidance = {name: weight for name, weight in guidance.items() if name not in data_guidance}
            with_normals = normals or any(self._guidance[name].needs_normals for name in guidance)
            rendering, context = self._render_with_context(cameras, shading, draws.sub("render"), with_normals)
            self.latest = StepPictures(cameras, {"render": rendering.rgb.detach()})
            self._add_guidance(terms, rendering, cameras, guidance, moment)
            self._last_step = {
                "prompt": self._prompt,
                "timestep": terms.logs.get("timestep"),
                "azimuth_deg": cameras.azimuth_deg.tolist(),
                "elevation_deg": cameras.elevation_deg.tolist(),
            }
        if self._data is not None:
            target = self._data.sample(moment.sub("data"))
            with_normals = normals or any(self._guidance[name].needs_normals for name in data_guidance)
            data_rendering, data_context = self._render_with_context(
                target.cameras, Shading(), draws.sub("known"), with_normals
            )
            if self._sampler is None:
                self.latest = StepPictures(target.cameras, {"render": data_rendering.rgb.detach()})
            for name, loss in active.items():
                if isinstance(loss, Comparison):
                    terms.add(as_terms(name, loss(data_rendering, target)), weights[name])
            self._add_guidance(terms, data_rendering, target.cameras, data_guidance, moment, target)
            if rendering is None:
                rendering, context = data_rendering, data_context
        assert rendering is not None and context is not None
        for name, loss in active.items():
            if isinstance(loss, Loss):
                terms.add(as_terms(name, loss(rendering, scene.geometry)), weights[name])
            elif isinstance(loss, Probe):
                loss_context = replace(context, draws=context.draws.sub(name))
                terms.add(as_terms(name, loss(rendering, loss_context)), weights[name])
        terms.logs["opacity"] = float(rendering.opacity.detach().mean())
        return terms

    def after_step(self, moment: Moment) -> list[ChangedRows]:
        changes = self.scene.geometry.after_step(moment)
        if not self._projections:
            return changes
        rates = {group.name: group.learning_rate.at(moment) for group in self.groups()}
        return [*changes, *self.scene.geometry.adapt(self._projections, moment, rates)]

    def preview(self, step: int) -> np.ndarray:
        views = self.scene.render([0, 90, 180, 270], 20.0, 96)
        assert views.normal is not None
        normals = views.normal * 0.5 + 0.5 * views.picture.alpha
        return np.concatenate([np.concatenate(list(row.numpy()), axis=1) for row in (views.rgb, normals)])

    def describe(self) -> dict[str, Any]:
        return self._last_step

    def _render_with_context(
        self, cameras: Cameras, shading: Shading, draws: Draws, normals: bool
    ) -> tuple[Rendering, RenderContext]:
        """A rendering, with projections recorded for densification, and the context for probes, which records none."""
        rendering = self._render(cameras, shading, draws, normals)
        self._projections += rendering.projections or ()
        render = partial(self._render, shading=shading, draws=draws, normals=False)
        return rendering, RenderContext(cameras, self.scene.geometry, render, draws.sub("loss"))

    def _render(self, cameras: Cameras, shading: Shading, draws: Draws, normals: bool) -> Rendering:
        scene = self.scene
        with self._timings.measure("render"):
            view = View(cameras.to(scene.device), shading, normals, draws)
            return scene.renderer.render(scene.geometry, scene.material, scene.background, view)

    def _add_guidance(
        self,
        terms: Terms,
        rendering: Rendering,
        cameras: Cameras,
        weights: dict[str, float],
        moment: Moment,
        target: Target | None = None,
    ) -> None:
        for name, weight in weights.items():
            built = self._guidance[name]
            with self._timings.measure(f"guidance {name}"), without_autocast():  # priors have a precision of their own
                denoiser = built.denoiser(rendering, cameras)
                prior_input = built.select_input(rendering, cameras)
                if self.latest is not None and self.latest.cameras is cameras:
                    self.latest.pictures[name] = prior_input.rgb.detach()
                guidance_terms = built.objective(prior_input, denoiser, moment.sub(name), target)
            terms.add(guidance_terms, weight, prefix="" if name == self._first else f"{name}/")
