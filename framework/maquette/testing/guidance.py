"""Procedures of priors, scores and objectives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.cameras.six_views import Layout, six_cameras
from maquette.config.capabilities import ANY_CAMERA, CONDITION, COPY, DATA, bare, within
from maquette.config.parts import part
from maquette.priors.base import ControlInputs
from maquette.randomness import Moment
from maquette.scores.denoiser import Denoiser
from maquette.testing import inputs
from maquette.testing.trial import Check, Fault, Output, Procedure, Situation, Skip, Slope, Trial, equal

NAMES = ("positive", "unconditional", "empty", "interpolated", "front", "side", "image", "viewless")
"""Conditions in use."""
CHANNELS, SIDE = 4, 8  # of a score's predictions


def _together(trial: Trial, prior: Any) -> int:
    """Number of consecutive pictures that are encoded or denoised together."""
    return max(prior.views, trial.capabilities.views_per_object)


def _prior_cameras(trial: Trial, prior: Any, situation: Situation) -> Cameras:
    count = situation.batch * _together(trial, prior)
    if ANY_CAMERA in trial.capabilities.gives:
        return inputs.cameras(count, seed=situation.seed)
    layout: Layout = getattr(trial.config, "layout", "v1.2")
    fixed = six_cameras(layout, 0.0, inputs.DISTANCE, inputs.SIZE)
    return Cameras.cat([fixed] * situation.batch)


def _conditions(trial: Trial, prior: Any, views: Cameras) -> dict[str, Any]:
    conditions = prior.condition(inputs.request()).at(views)
    pictures = inputs.ball_pictures(views)
    rgb = pictures.over(1.0)
    control = ControlInputs(rgb, pictures.alpha, pictures.alpha * 3, inputs.unit_vectors("control", *rgb.shape[:3]))
    return prior.with_control(prior.with_source_picture(conditions, rgb), control)


def _noisy(trial: Trial, prior: Any, situation: Situation) -> tuple[Tensor, Tensor]:
    together = _together(trial, prior)
    count = situation.batch * together
    shape = _latent_shape(prior)
    noisy = inputs.numbers("noisy", count, *shape, seed=situation.seed, low=-1, high=1)
    t = torch.arange(situation.batch).repeat_interleave(together) * 100 + 300
    return (noisy * torch.nan if situation.spoiled else noisy), t % prior.noise_schedule.timesteps


def _latent_shape(prior: Any) -> tuple[int, ...]:
    """(C, h, w) of the latents of the tiny pictures; a pixel prior may take pictures of any size."""
    with torch.no_grad():
        size = prior.encode(torch.zeros(prior.views, inputs.SIZE, inputs.SIZE, 3)).shape[2:]
    return (prior.latent_shape[0], *size)


def _use_prior(trial: Trial, prior: Any, situation: Situation) -> list[Output]:
    views = _prior_cameras(trial, prior, situation)
    count, size = len(views), inputs.SIZE
    rgb = inputs.numbers("pictures", count, size, size, 3, seed=situation.seed)
    with torch.no_grad():
        latents = prior.encode(rgb)
        noisy, t = _noisy(trial, prior, situation)
        conditions = _conditions(trial, prior, views)
        predictions = prior.predict(noisy, t, conditions, views)
        decoded = prior.decode(latents)
    shape = (count, *_latent_shape(prior))
    alpha, sigma = prior.noise_schedule.alpha_sigma(t)
    return [
        Output("latents", latents.float(), shape),
        Output("decoded", decoded.float(), (count, *decoded.shape[1:3], 3), 0, 1),
        Output("alpha", alpha.float(), (count, 1, 1, 1), 0),
        Output("sigma", sigma.float(), (count, 1, 1, 1), 0),
        *(Output(f"prediction {name}", one.float(), shape) for name, one in sorted(predictions.items())),
    ]


def _prior_slopes(trial: Trial, prior: Any, dtype: torch.dtype) -> list[Slope]:
    size = inputs.SIZE
    rgb = inputs.numbers("pictures", prior.views, size, size, 3).to(dtype).requires_grad_(True)
    return [Slope("the pictures, of encode,", rgb, lambda: prior.encode(rgb).float().square().sum())]


def _declared_conditions(trial: Trial) -> None:
    prior = trial.build()
    views = _prior_cameras(trial, prior, Situation(batch=1))
    declared = bare(within(CONDITION, trial.capabilities.gives))
    conditions = prior.condition(inputs.request()).at(views)
    if missing := declared - set(conditions):
        raise Fault(f"capabilities promise the conditions {', '.join(sorted(missing))}, and `at` does not give them")
    predicted = set(prior.predict(*_noisy(trial, prior, Situation(batch=1)), _conditions(trial, prior, views), views))
    if absent := set(conditions) - predicted:
        raise Fault(f"predict leaves out the conditions {', '.join(sorted(absent))}")


def _frozen(trial: Trial) -> None:
    prior = trial.build()
    views = _prior_cameras(trial, prior, Situation(batch=1))
    noisy, t = _noisy(trial, prior, Situation(batch=1))
    with torch.enable_grad():
        predictions = prior.predict(noisy.requires_grad_(True), t, _conditions(trial, prior, views), views)
    if any(one.requires_grad for one in predictions.values()):
        raise Fault("predictions carry a graph; a prior is frozen, decorate predict with @torch.no_grad()")


def _schedule(trial: Trial) -> None:
    schedule = trial.build().noise_schedule
    t = torch.linspace(1, schedule.timesteps - 1, 8).long()
    alpha, sigma = (values.flatten().double() for values in schedule.alpha_sigma(t))
    ratio = alpha / sigma
    if not (ratio[1:] <= ratio[:-1]).all() or not (sigma > 0).all():
        raise Fault("the noise does not grow with the timestep: alpha / sigma has to fall")


def _copies(trial: Trial) -> None:
    kinds = sorted(bare(within(COPY, trial.capabilities.gives)))
    if not kinds:
        raise Skip("it offers no trainable copy")
    prior = trial.build()
    views = _prior_cameras(trial, prior, Situation(batch=1))
    noisy, t = _noisy(trial, prior, Situation(batch=1))
    conditions = _conditions(trial, prior, views)
    condition = conditions.get("viewless", next(iter(conditions.values())))
    for kind in kinds:
        copy = prior.trainable_copy(kind, 2)
        output = copy(noisy, t, condition, views.c2w.flatten(1))
        if output.shape != noisy.shape:
            raise Fault(f"the copy of kind {kind} gives {tuple(output.shape)} for {tuple(noisy.shape)}")
        trained = [one for one in copy.parameters() if one.requires_grad]
        gradients = torch.autograd.grad(output.float().sum(), trained, allow_unused=True)
        if not any(one is not None and one.abs().sum() > 0 for one in gradients):
            raise Fault(f"no gradient reaches the parameters of the copy of kind {kind}")


PRIOR = Procedure(
    _use_prior,
    minimum=14,
    slopes=_prior_slopes,
    checks=(
        Check("conditions", "the conditions that capabilities promise are given and predicted", _declared_conditions),
        Check("frozen", "predictions carry no graph", _frozen),
        Check("schedule", "noise grows with the timestep", _schedule),
        Check("copies", "each promised trainable copy can be trained", _copies),
    ),
)


class Predictions(Mapping[str, Tensor]):
    """Noise predictions under some conditions, which remember what was read."""

    def __init__(self, values: dict[str, Tensor]) -> None:
        self.values_by_name, self.read = values, set[str]()

    def __getitem__(self, name: str) -> Tensor:
        self.read.add(name)
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


def _predictions(situation: Situation) -> Predictions:
    shape = (situation.batch, CHANNELS, SIDE, SIDE)
    values = {name: inputs.numbers(name, *shape, seed=situation.seed, low=-1, high=1) for name in NAMES}
    values = {name: one.to(situation.device) for name, one in values.items()}
    return Predictions({name: one * torch.nan if situation.spoiled else one for name, one in values.items()})


def _combine(score: Any, predictions: Predictions, situation: Situation) -> Tensor:
    fraction = torch.linspace(0.3, 0.7, situation.batch).view(-1, 1, 1, 1).to(situation.device)
    views = inputs.cameras(situation.batch, seed=situation.seed).to(situation.device)
    combined: Tensor = score.combine_at(predictions, fraction, views)
    return combined


def _use_score(trial: Trial, score: Any, situation: Situation) -> list[Output]:
    shape = (situation.batch, CHANNELS, SIDE, SIDE)
    return [Output("combined", _combine(score, _predictions(situation), situation), shape)]


def _read_conditions(trial: Trial) -> None:
    predictions, score = _predictions(Situation()), trial.build()
    _combine(score, predictions, Situation())
    if extra := predictions.read - score.conditions:
        raise Fault(f"it reads the predictions {', '.join(sorted(extra))}, which capabilities do not name")
    if not score.conditions:
        raise Fault("capabilities name no condition")


def _each_picture(trial: Trial) -> None:
    score, situation = trial.build(), Situation()
    together = _combine(score, _predictions(situation), situation)
    first = Predictions({name: one[:1] for name, one in _predictions(situation).values_by_name.items()})
    fraction, views = torch.full((1, 1, 1, 1), 0.3), inputs.cameras(2)[:1]
    if not equal(together[:1], score.combine_at(first, fraction, views), 1e-5):
        raise Fault("the result of a picture depends on the other pictures of the batch")


SCORE = Procedure(
    _use_score,
    minimum=13,
    checks=(
        Check("conditions", "it reads the conditions that capabilities name, and no other", _read_conditions),
        Check("pictures", "a picture does not depend on the others of the batch", _each_picture),
    ),
)


def _build_objective(trial: Trial) -> Any:
    objective = trial.cls(trial.config)
    objective.prepare(inputs.gaussian_prior(), inputs.request(), inputs.BallData())
    return objective


def _terms(trial: Trial, objective: Any, situation: Situation, rendering: Any = None) -> Any:
    moment = Moment.at(0, 10, situation.seed).sub("guidance")
    views, target = inputs.cameras(situation.batch, seed=situation.seed), None
    if DATA in trial.capabilities.needs:
        target = inputs.BallData().all()
        chosen = torch.arange(situation.batch)
        target = replace(target, cameras=target.cameras[chosen], picture=target.picture[chosen], indices=chosen)
        views = target.cameras
    if rendering is None:
        rendering = replace(inputs.rendering(views, spoiled=situation.spoiled), latents=None)
    prior = inputs.gaussian_prior()
    conditions = prior.condition(inputs.request()).at(views)
    denoiser = Denoiser(prior, part("score", "cfg").build(), conditions, views)
    return objective(rendering, denoiser, moment, target)


def _use_objective(trial: Trial, objective: Any, situation: Situation) -> list[Output]:
    terms = _terms(trial, objective, situation)
    losses = {**terms.losses, **{f"auxiliary {name}": one for name, one in terms.auxiliary.items()}}
    return [Output(f"loss {name}", one, ()) for name, one in losses.items()] + [Output("logs", dict(terms.logs))]


def _objective_slopes(trial: Trial, objective: Any, dtype: torch.dtype) -> list[Slope]:
    count = 2
    views = inputs.BallData().all().cameras[:count] if DATA in trial.capabilities.needs else inputs.cameras(count)
    rendering = replace(inputs.rendering(views), latents=None)

    def loss() -> Tensor:
        total: Tensor = _terms(trial, objective, Situation(batch=count), rendering).total()
        return total

    return [Slope("the rendered color", rendering.rgb, loss)]


def _logs(trial: Trial) -> None:
    terms = _terms(trial, trial.build(), Situation())
    for name, value in terms.logs.items():
        if not isinstance(value, (int, float)):
            raise Fault(f"the log {name} is a {type(value).__name__}, and should be a plain number")
    if not terms.losses:
        raise Fault("it gives no loss")


OBJECTIVE = Procedure(
    _use_objective,
    minimum=12,
    build=_build_objective,
    slopes=_objective_slopes,
    checks=(Check("logs", "losses are there, and logs are plain numbers", _logs),),
    skips={"differences": "it prescribes its gradient"},
)
