"""Text conditions with view prompts; embeddings are computed once per text and cached on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import ElevationDeg, HalfTurnDeg
from maquette.cameras.base import Cameras
from maquette.cameras.directions import view_weights, wrap_deg
from maquette.config.capabilities import ANY_CAMERA, Capabilities, condition
from maquette.errors import ConfigError
from maquette.perception.tokens import Frame, TextLimit, cut_to_fit, warn_of_cut
from maquette.priors.base import Conditions, Request
from maquette.weights.embedding_cache import cached_embeddings

TEXT_CONDITIONS = frozenset({"positive", "unconditional", "empty", "interpolated", "front", "side", "viewless"})
"""Conditions of a text prior with view prompts, described in `maquette.priors.base.Conditions`."""

VIEW_CONDITIONS = frozenset({"interpolated", "front", "side"})
"""Conditions that equal the positive one if prompts have no view prompt."""
WITHOUT_VIEW_PROMPTS = "without view prompts they equal the positive condition; set prior.view_dependent: true"


def text_capabilities(view_dependent: bool = True) -> Capabilities:
    """Capabilities of a text prior, with view prompts or without."""
    names = TEXT_CONDITIONS if view_dependent else TEXT_CONDITIONS - VIEW_CONDITIONS
    remedies = {} if view_dependent else {condition(name): WITHOUT_VIEW_PROMPTS for name in VIEW_CONDITIONS}
    return Capabilities(gives=frozenset({ANY_CAMERA, *map(condition, names)}), remedies=remedies)


@dataclass(frozen=True)
class ViewPrompts:
    """View prompts: the words such as "front view" that are added to a prompt by camera.

    Args:
        front_deg, back_deg: half widths of the azimuth ranges about front and back.
        overhead_deg: elevation above which a view is "overhead".
        template: how the prompt and the view are combined.
        tell_sides: "left side" (azimuth 90) and "right side" instead of "side", for models that distinguish them.
    """

    front_deg: HalfTurnDeg = 45.0
    back_deg: HalfTurnDeg = 45.0
    overhead_deg: ElevationDeg = 60.0
    template: str = "{prompt}, {view} view"
    tell_sides: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all views."""
        sides = ("left side", "right side") if self.tell_sides else ("side",)
        return ("front", *sides, "back", "overhead")

    def text(self, prompt: str, view: str) -> str:
        """The prompt with the view prompt of one of `names`."""
        before, after = self.frame(view)
        return before + prompt + after

    def frame(self, view: str) -> Frame:
        """What the view prompt of one of `names` puts before the prompt and after it."""
        before, _, after = self.template.replace("{view}", view).partition("{prompt}")
        return before, after

    def choose(self, cameras: Cameras) -> list[str]:
        """The name of each camera's view."""
        azimuths_deg = wrap_deg(cameras.azimuth_deg).tolist()
        elevations_deg = cameras.elevation_deg.tolist()
        return [
            self._view(azimuth_deg, elevation_deg)
            for azimuth_deg, elevation_deg in zip(azimuths_deg, elevations_deg, strict=True)
        ]

    def sides(self, cameras: Cameras) -> list[str]:
        """The name of the side view nearest to each camera."""
        return [self._side(azimuth_deg) for azimuth_deg in wrap_deg(cameras.azimuth_deg).tolist()]

    def _view(self, azimuth_deg: float, elevation_deg: float) -> str:
        if elevation_deg > self.overhead_deg:
            return "overhead"
        if abs(azimuth_deg) < self.front_deg:
            return "front"
        if abs(azimuth_deg) > 180 - self.back_deg:
            return "back"
        return self._side(azimuth_deg)

    def _side(self, azimuth_deg: float) -> str:
        return ("left side" if azimuth_deg > 0 else "right side") if self.tell_sides else "side"


class TextConditions(Conditions):
    """Text embeddings by view, selected by camera under the names of TEXT_CONDITIONS.

    Args:
        by_view: embedding of the prompt with each view of `view_prompts.names`.
        viewless: embedding of the prompt without a view prompt.
        negative: embedding of the negative prompt.
        empty: embedding of the empty text.
        view_prompts: selects the view of each camera.
    """

    def __init__(
        self,
        by_view: dict[str, Tensor],
        viewless: Tensor,
        negative: Tensor,
        empty: Tensor,
        view_prompts: ViewPrompts,
    ) -> None:
        self.by_view, self.viewless, self.view_prompts = by_view, viewless, view_prompts
        self.negative, self.empty = negative, empty

    def at(self, cameras: Cameras) -> dict[str, Float[Tensor, "B ..."]]:
        views = self.view_prompts.choose(cameras)
        positive = torch.stack([self.by_view[view] for view in views])
        front, back = (self.by_view[view].expand_as(positive) for view in ("front", "back"))
        side = torch.stack([self.by_view[view] for view in self.view_prompts.sides(cameras)])

        def per_picture(values: Tensor) -> Tensor:
            return values.to(positive.device).view(-1, *[1] * (positive.ndim - 1))

        weights = view_weights(cameras.azimuth_deg.to(positive))
        interpolated = (
            per_picture(weights.front) * front + per_picture(weights.side) * side + per_picture(weights.back) * back
        )
        overhead = per_picture(torch.tensor([view == "overhead" for view in views]))
        return {
            "positive": positive,
            "unconditional": self.negative.expand_as(positive),
            "empty": self.empty.expand_as(positive),
            "interpolated": torch.where(overhead, positive, interpolated),
            "front": torch.where(overhead, positive, front),
            "side": torch.where(overhead, positive, side),
            "viewless": self.viewless.expand_as(positive),
        }


def text_conditions(
    request: Request,
    view_prompts: ViewPrompts,
    view_dependent: bool,
    model: str,
    compute: Callable[[Sequence[str]], Float[Tensor, "n L D"]],
    device: torch.device,
    limits: Sequence[TextLimit] = (),
) -> TextConditions:
    """The text conditions of a request; embeddings are cached on disk.

    The end of a prompt that is too long for an encoder is cut off, with a warning; the view prompts stay. All views
    have the same cut, so that their embeddings differ by the view prompt alone.

    Args:
        request: prompt and negative prompt.
        view_prompts: view prompts by camera.
        view_dependent: whether they are added to the prompt.
        model, compute: as in `cached_embeddings`.
        device: device of the embeddings.
        limits: of the text encoders.

    Raises:
        ConfigError: the prompt is empty, or a view prompt alone is too long.
    """
    if not request.prompt.strip():
        raise ConfigError(
            "a text-to-image prior needs a text, and the text is empty",
            key="prompt",
            hint='say prompt="a red mug", or take a prior that is conditioned on a picture, such as prior=zero123',
        )
    for name, text in (("prompt", request.prompt), ("negative_prompt", request.negative_prompt)):
        _refuse_surrogates(name, text)
    frames = [view_prompts.frame(view) for view in view_prompts.names] if view_dependent else [("", "")]
    prompt, negative = cut_to_fit(request.prompt, limits, frames), cut_to_fit(request.negative_prompt, limits)
    warn_of_cut("prompt", request.prompt, prompt, limits, "; view words stay" if view_dependent else "")
    warn_of_cut("negative_prompt", request.negative_prompt, negative, limits)
    texts = {view: view_prompts.text(prompt, view) if view_dependent else prompt for view in view_prompts.names}
    embeddings = cached_embeddings([*texts.values(), prompt, negative, ""], model, compute)
    embeddings = {text: embedding.to(device) for text, embedding in embeddings.items()}
    by_view = {view: embeddings[text] for view, text in texts.items()}
    return TextConditions(by_view, embeddings[prompt], embeddings[negative], embeddings[""], view_prompts)


def _refuse_surrogates(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        raise ConfigError(
            f"character {problem.start} of the text is {text[problem.start]!r}, which is no character of Unicode",
            key=name, hint="the terminal or file it came from is not UTF-8",
        ) from problem  # fmt: skip
