"""CLIP R-Precision: retrieval of the right caption from pictures of the scene by an image-text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from maquette.annotations import Count, ElevationDeg, WeightsPath
from maquette.export.base import Subject
from maquette.metrics._weights import pinned_hash
from maquette.metrics.base import Case, Direction, Measurement, Metric
from maquette.perception.clip import Clip
from maquette.registry import register


@register("metric", "r-precision")
class RPrecision(Metric):
    """Fraction of views for which the encoder ranks a right caption first among all captions.

    Without labels a caption is right when it is the prompt itself. With labels, it is right at a level (one label or
    several joined by "+") when it agrees with the case in all of them; `pooled` variants rank captions by the mean
    similarity over all views.

    Source: DreamFusion (Poole et al. 2022, arXiv 2209.14988), section 4; Dream Fields (arXiv 2112.01455), section 4.2.
    """

    @dataclass(frozen=True)
    class Config:
        captions: dict[str, dict[str, str]]  # candidate captions, each with its labels ({} if none)
        scorer: WeightsPath  # CLIP weights: a plugin's name for them, a folder, or a hub name
        levels: tuple[str, ...] = ()  # label combinations, e.g. category, category+colour; none: the exact prompt
        views: Count = 8  # azimuths, evenly spaced from the front
        elevation_deg: ElevationDeg = 20.0  # height of the camera above the horizon
        supersampling: Count = 2  # factor by which pictures are rendered larger than the encoder's input
        sha256: str = ""  # of the weights, as the facts of a record say; others are refused

        def __post_init__(self) -> None:
            if not self.captions:
                raise ValueError("r-precision needs captions")
            for level in self.levels:
                for label in level.split("+"):
                    if not any(label in labels for labels in self.captions.values()):
                        raise ValueError(f"no caption has the label {label!r} of level {level!r}")

    def __init__(self, config: Config) -> None:
        self.config = config
        self._sha256 = pinned_hash(config.scorer, config.sha256, "scorer")
        self._clip = Clip(config.scorer)
        self._captions = list(config.captions)
        self._texts = self._clip.texts(self._captions)

    def directions(self) -> dict[str, Direction]:
        levels = self.config.levels or ("exact",)
        return dict.fromkeys([name for level in levels for name in (level, f"{level}, pooled")], "higher")

    def __call__(self, subject: Subject, case: Case) -> Measurement:
        """Render, embed, rank; see `Metric`."""
        config = self.config
        azimuths = [360.0 * i / config.views for i in range(config.views)]
        views = subject.render(azimuths, config.elevation_deg, self._clip.size * config.supersampling)
        return self.judge(views.rgb.numpy(), case)

    def judge(self, rgb: np.ndarray, case: Case) -> Measurement:
        """Measure pictures [B, H, W, 3] in [0, 1] of one scene."""
        captions, texts = dict(self.config.captions), self._texts
        names = self._captions
        if not self.config.levels and case.prompt not in captions:
            captions[case.prompt] = {}
            names = [*names, case.prompt]
            texts = self._clip.texts(names)
        similarity = self._clip.images(torch.from_numpy(np.ascontiguousarray(rgb)).float()) @ texts.T
        best = [names[index] for index in similarity.argmax(1).tolist()]
        pooled = names[int(similarity.mean(0).argmax())]
        values: dict[str, float] = {}
        for level in self.config.levels or ("exact",):
            right = [self._right(name, captions[name], case, level) for name in best]
            values[level] = sum(right) / len(right)
            values[f"{level}, pooled"] = float(self._right(pooled, captions[pooled], case, level))
        own = similarity[:, names.index(case.prompt)].mean() if case.prompt in names else None
        facts = {"retrieved": best, "retrieved, pooled": pooled, "sha256": self._sha256}
        return Measurement(values, facts | ({"similarity": round(float(own), 4)} if own is not None else {}))

    def _right(self, caption: str, labels: Mapping[str, str], case: Case, level: str) -> bool:
        if level == "exact":
            return caption == case.prompt
        return all(label in case.labels and labels.get(label) == case.labels[label] for label in level.split("+"))
