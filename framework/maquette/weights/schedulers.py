"""The noise process in a diffusers scheduler's config: read where a prior here knows it, refused where none does."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maquette.errors import ConfigError

DISCRETE = frozenset({
    "DDIMInverseScheduler", "DDIMParallelScheduler", "DDIMScheduler", "DDPMParallelScheduler", "DDPMScheduler",
    "DEISMultistepScheduler", "DPMSolverMultistepInverseScheduler", "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler", "DPMSolverSinglestepScheduler", "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler", "HeunDiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler",
    "LCMScheduler", "LMSDiscreteScheduler", "PNDMScheduler", "SASolverScheduler", "TCDScheduler",
    "UniPCMultistepScheduler",
})  # fmt: skip
"""Schedulers of diffusers for one noise process: whole timesteps, and variances from a table of betas."""
BETA_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid")
PREDICTIONS = ("epsilon", "v_prediction", "sample")  # as in `maquette.diffusion.noise.Prediction`
FLOW = ("use_flow_sigmas", "use_flow_matching")
"""Settings with which solvers of DISCRETE sample flow-matching models."""
MOST_TIMESTEPS = 100_000
KNOWN = f"known are the prediction types {', '.join(PREDICTIONS)} on the beta schedules {', '.join(BETA_SCHEDULES)}"


def noise_scheduler(config: Mapping[str, Any], place: str | Path, name: str = "", key: str = "prior.path") -> Any:
    """diffusers' DDPMScheduler of the noise process that a scheduler's config states.

    A setting that the config leaves out has the default of the scheduler's own class.

    Args:
        config: `scheduler_config.json`.
        place: that file, for messages.
        name: class of the scheduler in `model_index.json`, for configs that name none.
        key: config key, for messages.

    Raises:
        ConfigError: the scheduler, its beta schedule or its prediction type is of a kind that no prior here knows.
    """
    import diffusers

    name = str(config.get("_class_name") or name)
    if name not in DISCRETE or any(config.get(setting) for setting in FLOW) or "sigma_data" in config:
        raise _unknown(f"this model's scheduler is {name or 'of no class that its config names'}", config, place, key)
    signature = inspect.signature(getattr(diffusers, name).__init__)
    settings = {entry: value.default for entry, value in signature.parameters.items() if entry != "self"} | dict(config)
    if config.get("predict_epsilon") is False:
        settings["prediction_type"] = "sample"  # as releases before 0.10 wrote it
    _check(settings, place, key)
    accepted = inspect.signature(diffusers.DDPMScheduler.__init__).parameters
    return diffusers.DDPMScheduler(**{entry: value for entry, value in settings.items() if entry in accepted})


def _unknown(what: str, config: Mapping[str, Any], place: str | Path, key: str) -> ConfigError:
    flow = "flow" in str(config).lower()
    edm = "sigma_data" in config or "edm" in str(config.get("_class_name", "")).lower()
    process = " (flow matching)" if flow else " (EDM)" if edm else ""
    return ConfigError(f"{what}{process}, whose noise process no prior here knows ({place})", key=key, hint=KNOWN)


def _check(settings: Mapping[str, Any], place: str | Path, key: str) -> None:
    prediction, schedule = settings.get("prediction_type"), settings.get("beta_schedule")
    betas, count = settings.get("trained_betas"), settings.get("num_train_timesteps")
    if prediction not in PREDICTIONS:
        raise _unknown(f"this model's prediction type is {prediction!r}", settings, place, key)
    if betas is None and schedule not in BETA_SCHEDULES:
        raise _unknown(f"this model's beta schedule is {schedule!r}", settings, place, key)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_TIMESTEPS:
        raise ConfigError(
            f"num_train_timesteps is a whole number from 1 to {MOST_TIMESTEPS:,}, not {count!r} ({place})", key=key
        )
    ends = [settings.get("beta_start"), settings.get("beta_end")] if betas is None else betas
    if not isinstance(ends, list | tuple) or not ends or not all(_is_beta(beta) for beta in ends):
        names = "beta_start and beta_end" if betas is None else "trained_betas"
        raise ConfigError(f"{names} are numbers above 0 and at most 1 ({place})", key=key, hint=str(ends)[:80])


def _is_beta(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 < value <= 1
