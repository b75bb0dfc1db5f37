"""The guidance of an optimise stage: objective(score(prior)), as configured and as built."""

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
from maquette.stages.assembly import GuidanceParts, refuse_guidance

Sees = Literal["rgb", "normal", "camera-normal", "normal-mask"]
"""What of a rendering a prior is shown: its picture (or its latents, where those are drawn); its normals n as a picture
n / 2 + 1/2, grey where nothing is, in the world's frame or in the camera's (x right, y up, z to the viewer); or
[n, opacity], 0 where nothing is, as four latents.

Source of normals: Chen et al. 2023 (Fantasia3D, arXiv 2303.13873), sec. 3.2, and its code for what lies behind.
"""


@dataclass(frozen=True)
class Guidance:
    """objective(score(prior)), weighed, and what of the rendering it sees."""

    prior: PriorSpec
    score: ScoreSpec
    objective: ObjectiveSpec
    weight: Schedule = Schedule.constant(1.0)  # where it is 0, nothing is asked
    sees: Sees = "rgb"
    prompt: str = ""  # what is asked for; "": the method's prompt

    def __post_init__(self) -> None:
        refuse_guidance(self.parts)

    @property
    def parts(self) -> GuidanceParts:
        """What the rules of assembly judge."""
        return GuidanceParts(self.prior, self.score, self.objective, self.sees)


class Guide:
    """One guidance, built: its prior is frozen and no part of the task's state, what it trains `beside` it is.

    `sees_normals`: it has to be shown normals; `uses_data`: it looks from the cameras of the stage's data.
    """

    def __init__(
        self, spec: Guidance, prior: Prior, method: Any, data: Data | None = None, words: Sequence[Path] = ()
    ) -> None:
        self.prior, self.score, self.objective = prior, spec.score.build(), spec.objective.build()
        self.weight, self._sees = spec.weight, spec.sees
        self._watches = bool(within(RENDERING, spec.prior.capabilities.needs))
        self.sees_normals = RENDERED_NORMAL in spec.parts.looks_at
        self.uses_data = DATA in spec.objective.capabilities.needs
        request = request_of(method, data, words, spec.prompt)
        self.conditions = self.prior.condition(request)
        self.beside: nn.Module | None = self.objective.prepare(prior, request, data)

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

    def denoiser(self, rendering: Rendering, cameras: Cameras) -> Denoiser:
        """The prior and score with the conditions of these cameras' views, and of the rendering where it is watched."""
        conditions = self.conditions.at(cameras)
        if self._watches:
            conditions = self.prior.with_control(conditions, control_inputs(rendering, cameras))
        return Denoiser(self.prior, self.score, conditions, cameras)


def request_of(method: Any, data: Data | None, words: Sequence[Path] = (), prompt: str = "") -> Request:
    """What a method makes, or `prompt`, with known pictures of it and the files of words that were learned for it."""
    references = data.references() if data is not None else ()
    return Request(prompt or method.prompt, method.negative_prompt, references, tuple(words))


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
