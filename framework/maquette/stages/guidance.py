"""The guidance of an optimise stage, objective(score(prior)): its configuration and its built parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from maquette.cameras.base import Cameras
from maquette.config.capabilities import DATA, RENDERED_NORMAL, RENDERING, within
from maquette.config.parts import (
    ObjectiveSpec,
    PriorSpec,
    ScoreSpec,
)
from maquette.config.schedules import Schedule
from maquette.data.base import Data
from maquette.priors.base import Prior, Request
from maquette.renderers.base import Rendering
from maquette.scores.denoiser import Denoiser
from maquette.stages._control_inputs import camera_normals, control_inputs
from maquette.stages.assembly import GuidanceParts, check_guidance

GuidanceInput = Literal["rgb", "normal", "camera-normal", "normal-mask"]
"""Which image of a rendering the prior denoises. "rgb": its color (or its latents, where the material has them);
"normal": its world normals n as the image n / 2 + 1/2, grey in the background; "camera-normal": the same in camera
space (x right, y up, z to the viewer); "normal-mask": [n, opacity], 0 in the background, as four latents.

Source of normals: Chen et al. 2023 (Fantasia3D, arXiv 2303.13873), sec. 3.2, and its code for the background.
"""


@dataclass(frozen=True)
class Guidance:
    """Configuration of a guidance: objective(score(prior)), its weight, input and prompt."""

    prior: PriorSpec
    score: ScoreSpec
    objective: ObjectiveSpec
    weight: Schedule = Schedule.constant(1.0)  # at 0 the prior is not evaluated
    input: GuidanceInput = "rgb"  # image of the rendering that the prior denoises: color, normals, or normals and mask
    prompt: str = ""  # prompt of this guidance; "": the method's prompt

    def __post_init__(self) -> None:
        check_guidance(self.parts)

    @property
    def parts(self) -> GuidanceParts:
        """The parts, for the rules of assembly."""
        return GuidanceParts(self.prior, self.score, self.objective, self.input)


class BuiltGuidance:
    """A guidance with its prior loaded and its conditions encoded.

    The prior is frozen and not part of the task's state; the module `auxiliary`, which the objective trains, is.
    `needs_normals`: renderings need normals; `uses_data`: the objective uses the cameras and images of the data.
    """

    def __init__(
        self, spec: Guidance, prior: Prior, method: Any, data: Data | None = None, words: Sequence[Path] = ()
    ) -> None:
        self.prior, self.score, self.objective = prior, spec.score.build(), spec.objective.build()
        self.weight, self._input = spec.weight, spec.input
        self._reads_rendering = bool(within(RENDERING, spec.prior.capabilities.needs))
        self.needs_normals = RENDERED_NORMAL in spec.parts.rendering_entries
        self.uses_data = DATA in spec.objective.capabilities.needs
        request = build_request(method, data, words, spec.prompt)
        self.conditions = self.prior.condition(request)
        self.auxiliary: nn.Module | None = self.objective.prepare(prior, request, data)

    def select_input(self, rendering: Rendering, cameras: Cameras) -> Rendering:
        """The rendering with its color or latents replaced by the guidance's input."""
        if self._input == "rgb":
            return rendering
        normal = rendering.normal
        assert normal is not None
        if self._input == "camera-normal":
            normal = camera_normals(normal, cameras)
        if self._input != "normal-mask":
            return replace(rendering, rgb=normal / 2 + 0.5, latents=None)
        return replace(rendering, latents=torch.cat([normal, rendering.opacity], dim=-1))

    def denoiser(self, rendering: Rendering, cameras: Cameras) -> Denoiser:
        """Prior and score, with the conditions of these cameras, and of the rendering if the prior reads it."""
        conditions = self.conditions.at(cameras)
        if self._reads_rendering:
            conditions = self.prior.with_control(conditions, control_inputs(rendering, cameras))
        return Denoiser(self.prior, self.score, conditions, cameras)


def build_request(method: Any, data: Data | None, words: Sequence[Path] = (), prompt: str = "") -> Request:
    """The request of a method, or of `prompt`: prompts, the data's reference images, files of learned words."""
    references = data.references() if data is not None else ()
    return Request(prompt or method.prompt, method.negative_prompt, references, tuple(words))


def build_guidance(
    specs: dict[str, Guidance], method: Any, data: Data | None = None, words: Sequence[Path] = ()
) -> dict[str, BuiltGuidance]:
    """Build all guidance of a stage, by name; equal priors are loaded once.

    Args:
        specs: configurations by name.
        method: has the prompts.
        data: the stage's data, loaded.
        words: files of learned words (textual inversion) of earlier stages.
    """
    built: dict[str, BuiltGuidance] = {}
    loaded: list[tuple[Any, Prior]] = []
    for name, spec in specs.items():
        prior = next((prior for other, prior in loaded if other == spec.prior), None)
        if prior is None:
            prior = spec.prior.build()
            loaded.append((spec.prior, prior))
        built[name] = BuiltGuidance(spec, prior, method, data, words)
    return built
