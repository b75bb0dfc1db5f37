"""Similarity of a scene's views to its prompt and to its reference picture, by an image-text encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from maquette.annotations import Count, ElevationDeg, WeightsPath
from maquette.images.framing import crop_and_resize, read_object, square_around_object
from maquette.metrics._ring import Ring
from maquette.metrics._weights import pinned_hash
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.perception.clip import Clip
from maquette.registry import register


@register("metric", "clip-similarity")
class ClipSimilarity(Metric):
    """Mean cosine between the embeddings of views over white and that of the prompt, and of the reference picture.

    "text" is missing for a case without a prompt, "image" for one without a picture. A high "image" does not tell a
    good object from one that shows its front on all sides: read it beside `janus`.

    Source: Qian et al. 2023 (Magic123, arXiv 2306.17843), sec. 4, for the picture, whose novel views are the ring's
    here; Hessel et al. 2021 (CLIPScore, arXiv 2104.08718), without its factor, for the prompt.
    """

    @dataclass(frozen=True)
    class Config:
        scorer: WeightsPath  # CLIP weights: a plugin's name for them, a folder, or a hub name
        sha256: str = ""  # of the weights, as the facts of a record say; others are refused
        views: Count = 8  # azimuths, evenly spaced from the front
        elevation_deg: ElevationDeg = 20.0  # height of the camera above the horizon
        supersampling: Count = 2  # factor by which pictures are rendered larger than the encoder's input

    def __init__(self, config: Config) -> None:
        self.config = config
        self._sha256 = pinned_hash(config.scorer, config.sha256, "scorer")
        self._clip = Clip(config.scorer)

    def directions(self) -> dict[str, Direction]:
        return {"text": "higher", "image": "higher"}

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Render, embed, compare; see `Metric`."""
        config = self.config
        ring = Ring(config.views, config.elevation_deg, self._clip.size * config.supersampling)
        views = self._clip.images(subject.render_cameras(ring.cameras(), normals=False).picture.over(1.0))
        values: dict[str, float] = {}
        if case.prompt:
            values["text"] = float((views @ self._clip.texts([case.prompt]).T).mean())
        if case.image:
            reference = self._clip.images(_reference(case))
            values["image"] = float((views @ reference.T).mean())
        return Measurement(values, {"sha256": self._sha256})


def _reference(case: Case) -> Tensor:
    """The reference picture of a case over white [1, S, S, 3], widened with white to a square as renderings are."""
    picture = read_object(Path(case.image), None)
    return crop_and_resize(picture, square_around_object(picture, 0), max(picture.size)).over(1.0)
