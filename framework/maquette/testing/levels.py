"""Procedures of what changes from step to step: shapes of schedules, noise processes and timesteps."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from maquette.config.capabilities import ONE_NOISE_LEVEL
from maquette.randomness import Moment
from maquette.testing import inputs
from maquette.testing.trial import Check, Fault, Output, Procedure, Situation, Trial

STEPS = (0, 3, 10)  # of 10
PROGRESS = [i / 32 for i in range(32)]
ENDS = ((0.1, 2.0), (2.0, 0.1))  # positive, as some shapes ask for


def _use_schedule(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    weights = torch.tensor([part(progress) for progress in PROGRESS])
    return [Output("the weight", weights, (len(PROGRESS),), 0, 1)]


def _begins(trial: Trial) -> None:
    shape = trial.build()
    for first, last in ENDS:
        if abs(shape.between(first, last, shape(0.0)) - first) > 1e-6:
            raise Fault(f"at its start a schedule from {first} has the value {shape.between(first, last, shape(0.0))}")


def _between(trial: Trial) -> None:
    shape = trial.build()
    for first, last in ENDS:
        for progress in PROGRESS:
            value = shape.between(first, last, shape(progress))
            if not min(first, last) - 1e-9 <= value <= max(first, last) + 1e-9:
                raise Fault(f"a schedule from {first} to {last} has the value {value:g} at {progress:g} of its way")


SCHEDULE = Procedure(
    _use_schedule,
    minimum=11,
    checks=(
        Check("begins", "at the start, a schedule has its first value", _begins),
        Check("between", "values lie between the first and the last, whose range alone is checked", _between),
    ),
    skips={"batches": "its progress is one number", "nan": "its progress is counted by the stage"},
)


def _levels(part: Any, situation: Situation) -> Float[Tensor, " T"]:
    own = inputs.gaussian_prior().noise_schedule.alphas_cumprod.to(situation.device)
    levels: Tensor = part.alphas_cumprod(own)
    return levels


def _use_noise(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    total = inputs.gaussian_prior().noise_schedule.timesteps
    return [Output("alpha^2", _levels(part, situation), (total,), 0, 1)]


def _never_rises(trial: Trial) -> None:
    levels = _levels(trial.build(), Situation())
    if bool((levels.diff() > 1e-6).any()) or float(levels[0]) <= float(levels[-1]):
        raise Fault("alpha^2 rises somewhere, so that a later timestep has less noise")


NOISE = Procedure(
    _use_noise,
    minimum=12,
    checks=(Check("falls", "noise grows with the timestep", _never_rises),),
    skips={"batches": "it is one table", "nan": "its input is the table of a prior"},
)


def _sampled(part: Any, situation: Situation) -> list[Shaped[Tensor, " B"]]:
    """The timesteps of some steps, the first and the last among them."""
    noise = inputs.gaussian_prior().noise_schedule
    return [part.draw(situation.batch, Moment.at(step, 10, situation.seed), noise) for step in STEPS]


def _use_timesteps(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    sampled = zip(STEPS, _sampled(part, situation), strict=True)
    return [Output(f"timesteps of step {step}", t, (situation.batch,)) for step, t in sampled]


def _whole(trial: Trial) -> None:
    for t in _sampled(trial.build(), Situation()):
        if t.is_floating_point():
            raise Fault(f"timesteps are {t.dtype}, and should be whole numbers: they are places in a table")


def _in_range(trial: Trial) -> None:
    total = inputs.gaussian_prior().noise_schedule.timesteps
    for step, t in zip(STEPS, _sampled(trial.build(), Situation(batch=64)), strict=True):
        if float(t.min()) < 0 or float(t.max()) >= total:
            raise Fault(f"step {step} has timestep {float(t.max()):g} or {float(t.min()):g}, outside [0, {total})")


def _one_level(trial: Trial) -> None:
    promised = ONE_NOISE_LEVEL in trial.capabilities.gives
    several = any(len(t.unique()) > 1 for t in _sampled(trial.build(), Situation(batch=64)))
    if promised and several:
        raise Fault("capabilities give ONE_NOISE_LEVEL, and the pictures of a step have several timesteps")


TIMESTEPS = Procedure(
    _use_timesteps,
    minimum=13,
    checks=(
        Check("whole", "timesteps are whole numbers", _whole),
        Check("in range", "timesteps lie in [0, T) from the first step to the last", _in_range),
        Check("one level", "all pictures of a step have one timestep where capabilities say so", _one_level),
    ),
    skips={"nan": "it has no inputs"},
)
