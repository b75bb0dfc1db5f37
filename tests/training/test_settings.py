"""Settings of the loop, and those that only change how it is watched."""

from dataclasses import fields
from fnmatch import fnmatch

import pytest

from maquette.config.parts import check
from maquette.errors import ConfigError
from maquette.training.settings import INTERVALS, LoopConfig

NAMES = {f"loop.{field.name}" for field in fields(LoopConfig)}


def test_settings_that_only_change_how_a_run_is_watched_are_settings_of_the_loop():
    watched = {name for name in NAMES if any(fnmatch(name, pattern) for pattern in INTERVALS)}
    assert all(any(fnmatch(name, pattern) for name in NAMES) for pattern in INTERVALS)
    assert NAMES - watched == {
        f"loop.{name}" for name in ("gradient_clip", "precision", "optimiser", "betas", "epsilon", "weight_decay")
    }


@pytest.mark.parametrize("settings", [{"keep_checkpoints": 0}, {"betas": [0.9, 1.5]}, {"optimiser": "sgd"}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match=f"loop.{next(iter(settings))}"):
        check(LoopConfig, settings, "loop", lambda key: None)
