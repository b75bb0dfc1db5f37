"""Text embeddings: computed once per text, kept on disk by content, the text encoder freed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.cameras.directions import view_shares, wrap_deg
from maquette.config.capabilities import ANY_CAMERA, Capabilities, condition
from maquette.errors import ConfigError
from maquette.priors.base import Conditions, Request
from maquette.weights.embedding_cache import embed

TEXT_CONDITIONS = frozenset({"positive", "unconditional", "empty", "interpolated", "front", "side", "viewless"})
"""What a prior with view words gives; `maquette.priors.base.Conditions` says what each is."""

VIEW_CONDITIONS = frozenset({"interpolated", "front", "side"})
"""Those that are nothing but the positive one where the text has no view words."""
WORDED = "without view words they are the positive one; set prior.view_dependent: true"


def text_capabilities(view_dependent: bool = True) -> Capabilities:
    """What a prior told texts gives, with view words in them or without."""
    names = TEXT_CONDITIONS if view_dependent else TEXT_CONDITIONS - VIEW_CONDITIONS
    remedies = {} if view_dependent else {condition(name): WORDED for name in VIEW_CONDITIONS}
    return Capabilities(gives=frozenset({ANY_CAMERA, *map(condition, names)}), remedies=remedies)


@dataclass(frozen=True)
class ViewWords:
    """Which words go with which camera.

    Args:
        front_deg, back_deg: half widths of the azimuth ranges about front and back.
        overhead_deg: elevation from which on a view is from above.
        template: how prompt and view words are joined.
        tell_sides: say "left side" (azimuth 90) and "right side" instead of "side", to models that know the difference.
    """

    front_deg: float = 45.0
    back_deg: float = 45.0
    overhead_deg: float = 60.0
    template: str = "{prompt}, {view} view"
    tell_sides: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All views that are told apart."""
        sides = ("left side", "right side") if self.tell_sides else ("side",)
        return ("front", *sides, "back", "overhead")

    def text(self, prompt: str, view: str) -> str:
        """The prompt for one of `names`."""
        before, _, after = self.template.replace("{view}", view).partition("{prompt}")
        return before + prompt + after

    def choose(self, cameras: Cameras) -> list[str]:
        """The view of each camera."""
        turns = wrap_deg(cameras.azimuth_deg).tolist()
        elevations = cameras.elevation_deg.tolist()
        return [self._one(turn, elevation) for turn, elevation in zip(turns, elevations, strict=True)]

    def sides(self, cameras: Cameras) -> list[str]:
        """The side view that lies nearest to each camera."""
        return [self._side(turn) for turn in wrap_deg(cameras.azimuth_deg).tolist()]

    def _one(self, turn: float, elevation: float) -> str:
        if elevation > self.overhead_deg:
            return "overhead"
        if abs(turn) < self.front_deg:
            return "front"
        if abs(turn) > 180 - self.back_deg:
            return "back"
        return self._side(turn)

    def _side(self, turn: float) -> str:
        return ("left side" if turn > 0 else "right side") if self.tell_sides else "side"


class TextConditions(Conditions):
    """One text embedding per view (or the same for all), handed out by camera under the names of TEXT_CONDITIONS.

    Args:
        by_view: what stands for the prompt with the words of each of `words.names`; anything that may be averaged.
        viewless: what stands for the prompt alone.
        negative: what stands for the negative prompt.
        empty: what stands for the empty text.
        words: which view is whose.
    """

    def __init__(
        self,
        by_view: dict[str, Tensor],
        viewless: Tensor,
        negative: Tensor,
        empty: Tensor,
        words: ViewWords,
    ) -> None:
        self.by_view, self.viewless, self.words = by_view, viewless, words
        self.negative, self.empty = negative, empty

    def at(self, cameras: Cameras) -> dict[str, Float[Tensor, "B ..."]]:
        seen = self.words.choose(cameras)
        positive = torch.stack([self.by_view[view] for view in seen])
        front, back = (self.by_view[view].expand_as(positive) for view in ("front", "back"))
        side = torch.stack([self.by_view[view] for view in self.words.sides(cameras)])

        def each(values: Tensor) -> Tensor:
            return values.to(positive.device).view(-1, *[1] * (positive.ndim - 1))

        shares = view_shares(cameras.azimuth_deg.to(positive))
        between = each(shares.front) * front + each(shares.side) * side + each(shares.back) * back
        above = each(torch.tensor([view == "overhead" for view in seen]))
        return {
            "positive": positive,
            "unconditional": self.negative.expand_as(positive),
            "empty": self.empty.expand_as(positive),
            "interpolated": torch.where(above, positive, between),
            "front": torch.where(above, positive, front),
            "side": torch.where(above, positive, side),
            "viewless": self.viewless.expand_as(positive),
        }


def text_conditions(
    request: Request,
    words: ViewWords,
    view_dependent: bool,
    model: str,
    compute: Callable[[Sequence[str]], Float[Tensor, "n L D"]],
    device: torch.device,
) -> TextConditions:
    """The conditions of a request in embeddings, kept on disk.

    Args:
        words: which words go with which view.
        view_dependent: whether the prompt gets them.
        model, compute: as in `embed`.
        device: where the embeddings go.

    Raises:
        ConfigError: the prompt is empty.
    """
    if not request.prompt.strip():
        raise ConfigError(
            "a text-to-image prior is told by its text alone what to make, and the text is empty",
            key="prompt",
            hint='say prompt="a red mug", or take a prior that is told a picture, such as prior=zero123',
        )
    texts = {view: words.text(request.prompt, view) if view_dependent else request.prompt for view in words.names}
    known = embed([*texts.values(), request.prompt, request.negative_prompt, ""], model, compute)
    known = {text: embedding.to(device) for text, embedding in known.items()}
    by_view = {view: known[text] for view, text in texts.items()}
    return TextConditions(by_view, known[request.prompt], known[request.negative_prompt], known[""], words)
