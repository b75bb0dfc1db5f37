"""The guidance of an optimise stage: objective(score(prior)), as configured and as built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from maquette import registry
from maquette.cameras.base import Cameras
from maquette.config.parts import (
    ObjectiveSpec,
    PartSpec,
    PriorSpec,
    ScoreSpec,
)
from maquette.config.schedules import Schedule
from maquette.data.base import Data
from maquette.diffusion.timesteps import Timesteps
from maquette.priors.base import Prior, Request
from maquette.renderers.base import Rendering
from maquette.scores.denoiser import Denoiser
from maquette.stages._sight import camera_normals, sight

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
        score, objective = self.score.build(), self.objective.build()
        for part, needs in ((self.score, score.needs), (self.objective, objective.needs)):
            self._fit_conditions(part, needs)
        if objective.wants_noise and score.noise_free:
            raise ValueError(
                f"objective {self.objective.name!r} {objective.wants_noise}, which takes a noise prediction, but score "
                f"{self.score.name!r} gives a direction"
            )
        if objective.copies is not None and objective.copies not in self.prior.cls.copies:
            raise ValueError(
                f"objective {self.objective.name!r} trains a copy of kind {objective.copies!r}, which prior "
                f"{self.prior.name!r} does not make; it makes {listed(self.prior.cls.copies) or 'none'}"
            )
        if objective.wants_picture and self.sees == "normal-mask":
            raise ValueError(compares_pictures(self.objective, "sees: normal-mask makes latents"))
        if objective.wants_data and self.sees != "rgb":
            raise ValueError(f"objective {self.objective.name!r} looks at known pictures, which have no {self.sees!r}")
        if self.prior.cls.fixed_views and objective.wants_data:
            raise ValueError(
                f"prior {self.prior.name!r} knows views from cameras of its own alone, and objective "
                f"{self.objective.name!r} looks from those of the data"
            )
        self._fit_levels()
        if self.prior.cls.edits and not objective.wants_data:
            fitting = [name for name in registry.names("objective") if registry.get("objective", name).wants_data]
            raise ValueError(
                f"prior {self.prior.name!r} changes pictures, and objective {self.objective.name!r} does not tell it "
                f"which; objectives that do: {', '.join(fitting)}"
            )

    def _fit_conditions(self, part: PartSpec, needs: frozenset[str]) -> None:
        """Refuse a part that needs conditions which the prior, as it is set, does not give."""
        gives = self.prior.cls.given(self.prior.config)
        if lacking := needs - gives:
            why = f"it gives {listed(gives)}"
            if lacking <= self.prior.cls.gives:
                why = "without view words they are the positive one; set prior.view_dependent: true"
            lacks = f"needs {listed(lacking)}, which prior {self.prior.name!r} does not give"
            raise ValueError(f"{part.kind} {part.name!r} {lacks}; {why}")

    def _fit_levels(self) -> None:
        """Refuse an objective that shows a prior of several views several noise levels at once."""
        timesteps = getattr(self.objective.config, "timesteps", None)
        several = self.prior.cls.at_one_level(self.prior.config) > 1
        if several and isinstance(timesteps, Timesteps) and not timesteps.same_for_all:
            raise ValueError(
                f"prior {self.prior.name!r} sees all views of an object at one noise level, and objective "
                f"{self.objective.name!r} draws one for each; set objective.timesteps.shared: true"
            )


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

    def denoiser(self, rendering: Rendering, cameras: Cameras) -> Denoiser:
        """The prior and score with the conditions of these cameras' views, and of the rendering where it is watched."""
        conditions = self.conditions.at(cameras)
        if self._watches:
            conditions = self.prior.watch(conditions, sight(rendering, cameras))
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


def listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def compares_pictures(objective: PartSpec, but: str) -> str:
    return f"objective {objective.name!r} compares pictures, but {but}"
