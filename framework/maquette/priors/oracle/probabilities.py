"""Prior probabilities of the pictures of a captioned set under a text, a view prompt and a camera."""

from __future__ import annotations

import difflib

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from maquette.data.formats.captioned import CaptionedViews
from maquette.errors import ConfigError
from maquette.priors.oracle.camera_kernel import CameraKernel, OrbitPositions
from maquette.priors.oracle.posterior import logsumexp_by
from maquette.priors.text.conditions import ViewPrompts


class PictureProbabilities:
    """Prior probabilities of the N pictures of a set, float64.

    Args:
        views: the set.
        view_prompts: view prompts of the captions.
        view_prompt_weight: k, the fraction of captions with a true view prompt.
        front_bias: q, the fraction of pictures that were taken from the front.
        device: device of the results.
    """

    def __init__(
        self,
        views: CaptionedViews,
        view_prompts: ViewPrompts,
        view_prompt_weight: float,
        front_bias: float,
        device: torch.device,
    ) -> None:
        self.owner, self.count, self.captions = views.objects.to(device), len(views.captions), views.captions
        self.view_prompts, self.device = view_prompts, device
        self.positions = OrbitPositions.of(views.images.cameras, device)
        view_names = view_prompts.choose(views.images.cameras)
        self._of_view = {
            view: torch.tensor([other == view for other in view_names], device=device) for view in view_prompts.names
        }
        uniform = self._normalize_per_object(torch.ones(len(view_names), dtype=torch.bool, device=device), None)
        self.any_view = self._mix(front_bias, self._normalize_per_object(self._of_view["front"], uniform), uniform)
        self._given_view = {
            view: self._mix(view_prompt_weight, self._normalize_per_object(selected, self.any_view), self.any_view)
            for view, selected in self._of_view.items()
        }
        self._texts = self._all_texts()

    def of_text(self, text: str, key: str, view: str | None = None) -> Float[Tensor, " N"]:
        """p(i | text): of the objects with this caption, from the view in the text, else from `view`, else from any.

        Args:
            text: a caption, a caption with a view prompt, a view prompt alone, or the empty text (any object).
            key: config key that an error names.
            view: one of `view_prompts.names`.

        Raises:
            ConfigError: no object has this caption; the message lists the closest captions.
        """
        normalized_text = _normalize(text)
        if normalized_text not in self._texts:
            all_captions = [caption for captions in self.captions for caption in captions]
            closest = difflib.get_close_matches(text, dict.fromkeys(all_captions), n=3, cutoff=0.0)
            raise ConfigError(
                f"no picture of the oracle's set is captioned {text!r}", key=key,
                hint="near it are " + ", ".join(repr(caption) for caption in closest),
            )  # fmt: skip
        caption, text_view = self._texts[normalized_text]
        matches = [caption is None or caption in map(_normalize, captions) for captions in self.captions]
        objects = torch.tensor(matches, dtype=torch.float64, device=self.device)
        view = text_view or view
        return (objects / objects.sum())[self.owner] * (self._given_view[view] if view else self.any_view)

    def from_cameras(
        self, probability: Float[Tensor, "*any N"], positions: OrbitPositions, kernel: CameraKernel
    ) -> Float[Tensor, "B N"]:
        """p(i | object, camera) p(object), with p(object) the sum of `probability` over the object's pictures."""
        log_probability = probability.expand(len(positions.distance), -1).log()
        of_object = logsumexp_by(log_probability, self.owner, self.count)
        views = self.any_view.log() + kernel.log_weights(positions, self.positions)
        given_object = views - logsumexp_by(views, self.owner, self.count)[:, self.owner]
        return (given_object + of_object[:, self.owner]).exp()

    def _normalize_per_object(self, selected: Bool[Tensor, " N"], otherwise: Tensor | None) -> Float[Tensor, " N"]:
        """p(i | object): uniform over the selected pictures of each object, `otherwise` for objects without any."""
        weights = selected.double()
        if otherwise is not None:
            weights = weights * otherwise
        totals = torch.zeros(self.count, dtype=weights.dtype, device=self.device).index_add(0, self.owner, weights)
        normalized = weights / totals.clamp(min=torch.finfo(weights.dtype).tiny)[self.owner]
        if otherwise is None:
            return normalized
        return torch.where((totals > 0)[self.owner], normalized, otherwise)

    @staticmethod
    def _mix(fraction: float, one: Tensor, other: Tensor) -> Tensor:
        return fraction * one + (1 - fraction) * other

    def _all_texts(self) -> dict[str, tuple[str | None, str | None]]:
        """Every text that a prompt may be -> (its caption, its view); None where the text has none."""
        texts: dict[str, tuple[str | None, str | None]] = {"": (None, None)}
        for view in self.view_prompts.names:
            texts[_normalize(self.view_prompts.text("", view))] = (None, view)
        for captions in self.captions:
            for caption in captions:
                texts[_normalize(caption)] = (_normalize(caption), None)
                for view in self.view_prompts.names:
                    texts[_normalize(self.view_prompts.text(caption, view))] = (_normalize(caption), view)
        return texts


def _normalize(text: str) -> str:
    return " ".join(text.lower().split()).strip(", ")
