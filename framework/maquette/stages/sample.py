"""Sampling of posed pictures of an object from a prior."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Count, WeightsPath
from maquette.cameras.base import Cameras
from maquette.config.parts import CamerasSpec, DataSpec, MattingSpec, PartSpec, PriorSpec, ScoreSpec
from maquette.data.base import Reference
from maquette.data.formats import PosedImages, Split, inspect_posed_images, save_posed_images
from maquette.errors import ConfigError
from maquette.files import atomic_path, display_path, write_atomically
from maquette.images.framing import SquareCrop, crop_and_resize
from maquette.images.picture import Picture
from maquette.images.pixels import to_bytes
from maquette.matting.base import Matting
from maquette.perception.clip import Clip
from maquette.priors.base import Prior, Request
from maquette.randomness import Draws, Moment
from maquette.registry import register
from maquette.scores.base import Score
from maquette.scores.sampling import Sampling, sample_views
from maquette.stages.base import Stage, StageContext
from maquette.stages.guidance import build_request
from maquette.stages.sampling_rules import SampleParts, check_sample
from maquette.stages.view_sheet import view_sheet
from maquette.training.progress import StepProgress

_log = logging.getLogger(__name__)

REFERENCE_NAME = "reference"  # of the input picture among the views


@dataclass(frozen=True)
class Choice:
    """How one of several candidates is chosen."""

    scorer: WeightsPath = ""  # CLIP weights: a plugin's name for them, a folder, or a hub name


@dataclass(frozen=True, eq=False)
class Candidate:
    """Views that were sampled together.

    Args:
        rgb: the views as they were sampled.
        picture: the views with alpha; opaque where the matting failed.
        similarity: mean cosine similarity to the prompt or to the reference; None: not measured.
        problem: why the matting failed; None: it did not.
    """

    rgb: Float[Tensor, "B H W 3"]
    picture: Picture
    similarity: float | None = None
    problem: ConfigError | None = None


@register("stage", "sample")
class Sample(Stage):
    """Sample pictures of the object from some cameras, and cut them out of their background.

    They go to `views/<stage>/` in the run folder as posed images, with a sheet `views/<stage>.png` and the candidates'
    similarities in `views/<stage>.json`. Of several candidates whose mattings succeed, the one most similar to the
    prompt is taken; without a prompt, the one most similar to the reference image.
    """

    @dataclass(frozen=True)
    class Config:
        prior: PriorSpec
        score: ScoreSpec
        cameras: CamerasSpec  # of the views, in multiples of those that the prior denoises together
        sampling: Sampling = field(default_factory=Sampling)
        data: DataSpec | None = None  # has the reference image, for priors that are conditioned on one
        include_reference: bool = False  # the reference image is one more view
        batch: Count = 4  # views that are denoised at a time, at least those that the prior denoises together
        matting: MattingSpec | None = None  # cuts the object out of its background; none: the views are opaque
        candidates: Count = 1  # number of times that the views are sampled, to choose among
        choose: Choice = field(default_factory=Choice)

        def __post_init__(self) -> None:
            if self.candidates > 1 and not self.choose.scorer:
                raise ValueError(
                    f"among {self.candidates} candidates a CLIP model chooses: give its weights as choose.scorer"
                )
            check_sample(SampleParts(self.prior, self.score, len(self.views(0)), self.data, self.include_reference))

        def views(self, seed: int) -> Cameras:
            """The cameras of the views."""
            return self.cameras.build().sample(Moment.at(0, 1, seed).sub("cameras"))

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, context: StageContext) -> None:
        self._sample_and_save(context)
        self.restore(context)  # rounded to bytes, as a resumed run reads them

    def restore(self, context: StageContext) -> None:
        context.artifacts.views = inspect_posed_images(context.run.views / context.name).value

    def _sample_and_save(self, context: StageContext) -> None:
        c, timings = self.config, context.timings
        data = None
        if c.data is not None:
            data = context.build_data(c.data)
            with timings.measure("data"):
                data.prepare(torch.device("cpu"))
        request = build_request(context.method, data, context.artifacts.words)
        cameras = c.views(context.method.seed)
        with timings.measure("sample"):
            sampled = self._sample(context, request, cameras)
        cameras = cameras.resized(*sampled[0].shape[1:3])
        with timings.measure("matting"):
            candidates = self._cut_out(sampled, cameras)
        with timings.measure("choose"):
            candidates, best = self._choose(candidates, request)
        views = self._views(candidates[best], cameras, request.references)
        _write_account(context.run.views / context.name, candidates, best, views)
        if (problem := candidates[best].problem) is not None:
            raise self._failure(problem, context)
        shutil.rmtree(context.run.views / context.name, ignore_errors=True)  # of a run that was killed here
        save_posed_images(context.run.views / context.name, views)

    def _sample(self, context: StageContext, request: Request, cameras: Cameras) -> list[Float[Tensor, "B H W 3"]]:
        """The views of each candidate."""
        c, seed = self.config, context.method.seed
        draws = [Draws(seed, index) for index in range(c.candidates)]
        return sample_each(
            context.name, c.prior, c.prior.build(), request, cameras, c.score.build(), c.sampling, draws, c.batch
        )

    def _cut_out(self, sampled: Sequence[Float[Tensor, "B H W 3"]], cameras: Cameras) -> list[Candidate]:
        """Candidates, their mattings done or failed."""
        if self.config.matting is None:
            return [Candidate(rgb, Picture.opaque(rgb)) for rgb in sampled]
        matting: Matting = self.config.matting.build()
        return [_matted(matting, rgb, cameras) for rgb in sampled]

    def _choose(self, candidates: Sequence[Candidate], request: Request) -> tuple[list[Candidate], int]:
        """The candidates with their similarities, and the index of the best; a failed matting comes last."""
        if len(candidates) == 1:
            return list(candidates), 0
        similarity = self._scorer(request)
        scored = [replace(one, similarity=similarity(one.rgb)) for one in candidates]
        best = max(scored, key=lambda one: (one.problem is None, one.similarity))
        _log.info(
            "candidates: similarities %s; number %d is taken", ", ".join(f"{one.similarity:.3f}" for one in scored),
            scored.index(best) + 1,
        )  # fmt: skip
        return scored, scored.index(best)

    def _scorer(self, request: Request) -> Callable[[Float[Tensor, "B H W 3"]], float]:
        """The mean similarity of views to the prompt, or to the reference image where there is no prompt."""
        clip = Clip(self.config.choose.scorer)
        if request.prompt:
            target = clip.texts([request.prompt])
        elif request.references:
            with torch.no_grad():
                target = clip.images(request.references[0].picture.over(1.0).float().cpu())
        else:
            raise ConfigError(
                "candidates are compared with the prompt or with a picture, and there is neither", key="prompt",
                hint='give prompt="..."',
            )  # fmt: skip
        return partial(_similarity, clip, target)

    def _views(self, chosen: Candidate, cameras: Cameras, references: Sequence[Reference]) -> PosedImages:
        """The views of a candidate, with the reference if it is one of them."""
        picture, names = chosen.picture, [f"view-{i}" for i in range(len(chosen.picture))]
        if self.config.include_reference:
            reference = _resized(references[0], cameras.height)
            picture, cameras = Picture.cat([picture, reference.picture]), Cameras.cat([cameras, reference.cameras])
            names.append(REFERENCE_NAME)
        train: Split = "train"
        return PosedImages(picture, cameras, (train,) * len(names), tuple(names))

    def _failure(self, problem: ConfigError, context: StageContext) -> ConfigError:
        """The error of a stage whose mattings all failed."""
        number = self.config.candidates
        which = f"all {number} candidates fail; the best: " if number > 1 else ""
        pictures = display_path(context.run.views / f"{context.name}.png")
        remedies = f"look at {pictures}, try another seed= or more candidates, or leave it out (null)"
        return ConfigError(
            f"{which}{problem.message}", key=f"stages.{context.name}.matting", hint=f"{problem.hint}; {remedies}"
        )


def sample_each(
    title: str, spec: PartSpec, prior: Prior, request: Request, cameras: Cameras, score: Score, sampling: Sampling,
    draws: Sequence[Draws], batch: int,
) -> list[Float[Tensor, "B H W 3"]]:  # fmt: skip
    """The views of a request for each of several random draws, on the CPU, under one bar of progress.

    Args:
        title: before the bar.
        spec, prior: the prior as configured, and as built.
        batch: views that are denoised at a time, at least those that the prior denoises together.
    """
    together = spec.capabilities.views_per_object
    size = max(batch // together, 1) * together
    progress, done = StepProgress(title, sampling.steps * len(draws)), count(1)
    try:
        return [
            sample_views(
                prior, request, cameras, score, sampling.steps, each, sampling.threshold_of(prior), sampling.sampler,
                size, after_step=lambda: progress.update(next(done), ""),
            ).float().cpu()
            for each in draws
        ]  # fmt: skip
    finally:
        progress.close()


def _matted(matting: Matting, rgb: Float[Tensor, "B H W 3"], cameras: Cameras) -> Candidate:
    opaque, cut = Picture.opaque(rgb), []
    for i, azimuth_deg in enumerate(cameras.azimuth_deg.tolist()):
        try:
            cut.append(matting(opaque[i : i + 1]))
        except ConfigError as problem:
            message = f"view {i + 1} of {len(rgb)}, from azimuth {azimuth_deg:.0f}: {problem.message}"
            return Candidate(rgb, opaque, problem=ConfigError(message, hint=problem.hint))
    return Candidate(rgb, Picture.cat(cut))


@torch.no_grad()
def _similarity(clip: Clip, target: Float[Tensor, "1 D"], rgb: Float[Tensor, "B H W 3"]) -> float:
    return float((clip.images(rgb) @ target.T).mean())


def _resized(reference: Reference, size: int) -> Reference:
    """The reference image, which is square, at another size."""
    side = reference.picture.size[0]
    picture = crop_and_resize(reference.picture.to("cpu"), SquareCrop((side / 2, side / 2), float(side)), size)
    return Reference(picture, reference.cameras.to("cpu").resized(size))


def _write_account(path: Path, candidates: Sequence[Candidate], best: int, views: PosedImages) -> None:
    """Write the similarities of all candidates to `path`.json, and a sheet of them and of the views to `path`.png."""
    from imageio.v3 import imwrite

    with atomic_path(path.with_name(f"{path.name}.png")) as file:
        imwrite(file, to_bytes(_sheet(candidates, best, views)))
    rows = [{"similarity": one.similarity, "problem": one.problem and one.problem.message} for one in candidates]
    write_atomically(path.with_name(f"{path.name}.json"), json.dumps({"chosen": best, "candidates": rows}, indent=1))


def _sheet(candidates: Sequence[Candidate], best: int, views: PosedImages) -> np.ndarray:
    """All candidates as they were sampled, and the views that were taken."""
    labels = ["sampled"]
    if len(candidates) > 1:
        taken = ["taken" if i == best else "" for i in range(len(candidates))]
        labels = [f"{i + 1}: {one.similarity:.3f} {taken[i]}" for i, one in enumerate(candidates)]
    rows = [(label, Picture.opaque(one.rgb)) for label, one in zip(labels, candidates, strict=True)]
    if bool((views.picture.alpha < 1).any()) or len(views) > len(candidates[best].rgb):
        rows.append(("views", views.picture))
    return view_sheet(rows, views.cameras)
