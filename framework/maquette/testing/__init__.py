"""The conformance kit: checks of a part against the contract of its kind.

from maquette.testing import check_loss

def test_brightness_conforms():
    check_loss(Brightness).require()

A report lists the checks that ran and those that were skipped, each with its reason; a part that skips more than its
kind allows does not conform. A class may hold `example_config`, settings to be checked with where its Config has no
defaults, and `exempt`, a mapping of checks to the reason why they do not apply to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maquette.testing.report import Outcome, Report
from maquette.testing.running import check

Part = str | type
Settings = Mapping[str, Any] | None


def check_cameras(part: Part, config: Settings = None) -> Report:
    """Check a sampler of cameras: its registered name or its class, with its settings as in YAML."""
    return check("cameras", part, config)


def check_material(part: Part, config: Settings = None) -> Report:
    """Check a material: its registered name or its class, with its settings as in YAML."""
    return check("material", part, config)


def check_background(part: Part, config: Settings = None) -> Report:
    """Check a background: its registered name or its class, with its settings as in YAML."""
    return check("background", part, config)


def check_renderer(part: Part, config: Settings = None) -> Report:
    """Check a renderer: its registered name or its class, with its settings as in YAML."""
    return check("renderer", part, config)


def check_geometry(part: Part, config: Settings = None) -> Report:
    """Check a geometry: its registered name or its class, with its settings as in YAML."""
    return check("geometry", part, config)


def check_densification(part: Part, config: Settings = None) -> Report:
    """Check a strategy of densification: its registered name or its class, with its settings as in YAML."""
    return check("densification", part, config)


def check_prior(part: Part, config: Settings = None) -> Report:
    """Check a prior: its registered name or its class, with its settings as in YAML."""
    return check("prior", part, config)


def check_score(part: Part, config: Settings = None) -> Report:
    """Check a score: its registered name or its class, with its settings as in YAML."""
    return check("score", part, config)


def check_schedule(part: Part, config: Settings = None) -> Report:
    """Check the shape of a schedule: its registered name or its class, with its settings as in YAML."""
    return check("schedule", part, config)


def check_noise(part: Part, config: Settings = None) -> Report:
    """Check a noise process: its registered name or its class, with its settings as in YAML."""
    return check("noise", part, config)


def check_timesteps(part: Part, config: Settings = None) -> Report:
    """Check a timestep schedule: its registered name or its class, with its settings as in YAML."""
    return check("timesteps", part, config)


def check_objective(part: Part, config: Settings = None) -> Report:
    """Check an objective: its registered name or its class, with its settings as in YAML."""
    return check("objective", part, config)


def check_loss(part: Part, config: Settings = None) -> Report:
    """Check a loss: its registered name or its class, with its settings as in YAML."""
    return check("loss", part, config)


def check_data(part: Part, config: Settings = None) -> Report:
    """Check data: its registered name or its class, with its settings as in YAML."""
    return check("data", part, config)


def check_dataset(part: Part, config: Settings = None) -> Report:
    """Check a data set: its registered name or its class, with its settings as in YAML."""
    return check("dataset", part, config)


def check_matting(part: Part, config: Settings = None) -> Report:
    """Check a matting: its registered name or its class, with its settings as in YAML."""
    return check("matting", part, config)


def check_generator(part: Part, config: Settings = None) -> Report:
    """Check a generator: its registered name or its class, with its settings as in YAML."""
    return check("generator", part, config)


def check_stereo(part: Part, config: Settings = None) -> Report:
    """Check a maker of stereo: its registered name or its class, with its settings as in YAML."""
    return check("stereo", part, config)


def check_truth(part: Part, config: Settings = None) -> Report:
    """Check a truth: its registered name or its class, with its settings as in YAML."""
    return check("truth", part, config)


def check_exporter(part: Part, config: Settings = None) -> Report:
    """Check an exporter: its registered name or its class, with its settings as in YAML."""
    return check("exporter", part, config)


def check_metric(part: Part, config: Settings = None) -> Report:
    """Check a metric: its registered name or its class, with its settings as in YAML."""
    return check("metric", part, config)


def check_callback(part: Part, config: Settings = None) -> Report:
    """Check a callback: its registered name or its class, with its settings as in YAML."""
    return check("callback", part, config)


def check_stop(part: Part, config: Settings = None) -> Report:
    """Check a stopping criterion: its registered name or its class, with its settings as in YAML."""
    return check("stop", part, config)


def check_stage(part: Part, config: Settings = None) -> Report:
    """Check a stage: its registered name or its class, with its settings as in YAML."""
    return check("stage", part, config)


def check_learner(part: Part, config: Settings = None) -> Report:
    """Check a learner: its registered name or its class, with its settings as in YAML."""
    return check("learner", part, config)


__all__ = [
    "Outcome",
    "Report",
    "check",
    "check_background",
    "check_callback",
    "check_cameras",
    "check_data",
    "check_dataset",
    "check_densification",
    "check_exporter",
    "check_generator",
    "check_geometry",
    "check_learner",
    "check_loss",
    "check_material",
    "check_matting",
    "check_metric",
    "check_noise",
    "check_objective",
    "check_prior",
    "check_renderer",
    "check_schedule",
    "check_score",
    "check_stage",
    "check_stereo",
    "check_stop",
    "check_timesteps",
    "check_truth",
]
