"""A part's Config: whether it survives a file, and whether wrong values end in one line."""

from __future__ import annotations

import dataclasses
from typing import Any

from maquette.config.origins import dump_flow, parse_value
from maquette.config.parts import check, plain
from maquette.errors import ConfigError, one_line
from maquette.testing.trial import Fault, Trial

WRONG: tuple[Any, ...] = (-1, 0, 10**9, -0.5, 1e30, float("nan"), "no-such-word", {"no-such-key": 1}, [], None)
"""Values of which any setting refuses some."""


def check_config(trial: Trial) -> None:
    """The Config is frozen, and the same after a way through YAML."""
    if not trial.cls.Config.__dataclass_params__.frozen:
        raise Fault("Config is not frozen; write @dataclass(frozen=True)")
    words, _ = parse_value(dump_flow(plain(trial.config)), trial.kind)
    again = check(trial.cls.Config, words, trial.kind, lambda key: None)
    if plain(again) != plain(trial.config):
        raise Fault(f"the Config is another after YAML: {plain(again)} and not {plain(trial.config)}")


def check_messages(trial: Trial) -> None:
    """A wrong value of a setting is refused in one line that names the setting, or accepted."""
    for entry in dataclasses.fields(trial.cls.Config):
        for wrong in WRONG:
            _try(trial, entry.name, wrong)
    try:
        check(trial.cls.Config, {**trial.settings, "no_such_setting": 1}, trial.kind, lambda key: None)
    except ConfigError:
        return
    raise Fault("a setting that does not exist is accepted")


def _try(trial: Trial, name: str, value: Any) -> None:
    try:
        check(trial.cls.Config, {**trial.settings, name: value}, trial.kind, lambda key: None)
    except ConfigError as problem:
        text = str(problem)
        if "\n" in text or not (name in text or (isinstance(value, str) and value in text)):
            raise Fault(f"{name}: {value!r} is refused without naming {name}: {text}") from None
    except Exception as problem:
        raise Fault(f"{name}: {value!r} ends in {one_line(problem)}; raise ValueError in __post_init__") from None
