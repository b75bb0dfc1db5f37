"""How likely each picture of a captioned set is before one has been looked at: by text, view words and camera."""

from __future__ import annotations

import difflib

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from maquette.data.formats.captioned import CaptionedViews
from maquette.errors import ConfigError
from maquette.priors.oracle.places import CameraKernel, Standpoints
from maquette.priors.oracle.posterior import logsumexp_by
from maquette.priors.text.conditions import ViewWords


class Odds:
    """Probabilities of the N pictures of a set, float64.

    Args:
        views: the set.
        words: how captions tell views.
        view_words: k, the share of captions whose view words are to be relied on.
        front_bias: q, the share of pictures that were taken from the front outright.
        device: where results are.
    """

    def __init__(
        self, views: CaptionedViews, words: ViewWords, view_words: float, front_bias: float, device: torch.device
    ) -> None:
        self.owner, self.count, self.captions = views.objects.to(device), len(views.captions), views.captions
        self.words, self.device = words, device
        self.places = Standpoints.of(views.images.cameras, device)
        seen = words.choose(views.images.cameras)
        self._of_view = {view: torch.tensor([other == view for other in seen], device=device) for view in words.names}
        evenly = self._within(torch.ones(len(seen), dtype=torch.bool, device=device), None)
        self.any_view = self._mix(front_bias, self._within(self._of_view["front"], evenly), evenly)
        self._told = {
            view: self._mix(view_words, self._within(chosen, self.any_view), self.any_view)
            for view, chosen in self._of_view.items()
        }
        self._texts = self._all_texts()

    def of_text(self, text: str, key: str, view: str | None = None) -> Float[Tensor, " N"]:
        """p(i | text): an object that is called so, seen as the text or else `view` says, or anyhow.

        Args:
            text: a caption, a caption with view words, view words alone, or nothing: any object.
            key: what a wrong text is called in an error.
            view: one of the words' views.

        Raises:
            ConfigError: no object is called so, with the captions that come nearest.
        """
        wanted = _normal(text)
        if wanted not in self._texts:
            known = [caption for captions in self.captions for caption in captions]
            near = difflib.get_close_matches(text, dict.fromkeys(known), n=3, cutoff=0.0)
            raise ConfigError(
                f"no picture of the oracle's set is captioned {text!r}", key=key,
                hint="near it are " + ", ".join(repr(caption) for caption in near),
            )  # fmt: skip
        caption, told = self._texts[wanted]
        matches = [caption is None or caption in map(_normal, captions) for captions in self.captions]
        objects = torch.tensor(matches, dtype=torch.float64, device=self.device)
        view = told or view
        return (objects / objects.sum())[self.owner] * (self._told[view] if view else self.any_view)

    def seen_from(
        self, prior: Float[Tensor, "#B N"], places: Standpoints, kernel: CameraKernel
    ) -> Float[Tensor, "B N"]:
        """p(i | object, camera) p(object): what `prior` says of objects, and the camera of their pictures."""
        log_prior = prior.expand(len(places.distance), -1).log()
        of_object = logsumexp_by(log_prior, self.owner, self.count)
        views = self.any_view.log() + kernel.log_weights(places, self.places)
        given_object = views - logsumexp_by(views, self.owner, self.count)[:, self.owner]
        return (given_object + of_object[:, self.owner]).exp()

    def _within(self, chosen: Bool[Tensor, " N"], otherwise: Tensor | None) -> Float[Tensor, " N"]:
        """p(i | object): even among the chosen pictures of each object, `otherwise` for objects without any."""
        weights = chosen.double()
        if otherwise is not None:
            weights = weights * otherwise
        totals = torch.zeros(self.count, dtype=weights.dtype, device=self.device).index_add(0, self.owner, weights)
        shares = weights / totals.clamp(min=torch.finfo(weights.dtype).tiny)[self.owner]
        return shares if otherwise is None else torch.where((totals > 0)[self.owner], shares, otherwise)

    @staticmethod
    def _mix(share: float, one: Tensor, other: Tensor) -> Tensor:
        return share * one + (1 - share) * other

    def _all_texts(self) -> dict[str, tuple[str | None, str | None]]:
        """Text -> the caption in it, and the view in it."""
        texts: dict[str, tuple[str | None, str | None]] = {"": (None, None)}
        for view in self.words.names:
            texts[_normal(self.words.text("", view))] = (None, view)
        for captions in self.captions:
            for caption in captions:
                texts[_normal(caption)] = (_normal(caption), None)
                for view in self.words.names:
                    texts[_normal(self.words.text(caption, view))] = (_normal(caption), view)
        return texts


def _normal(text: str) -> str:
    return " ".join(text.lower().split()).strip(", ")
