"""Runs the checks of a part, and says what came of each."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from maquette import plugins, registry
from maquette.config.parts import check as check_value
from maquette.config.parts import plain
from maquette.errors import ConfigError, MissingDependency, one_line
from maquette.plugins.states import guard_states, restore_states
from maquette.testing.general import FIRST, GENERAL
from maquette.testing.kinds import procedure
from maquette.testing.report import Outcome, Report
from maquette.testing.trial import Check, Fault, Skip, Trial

Watcher = Callable[[str], None]


def check(kind: str, part: str | type, config: Mapping[str, Any] | None = None) -> Report:
    """Check a part against the contract of its kind.

    Args:
        kind: of the part.
        part: its registered name, or its class.
        config: its settings as in YAML; None: the class's `example_config`, or the defaults.

    Raises:
        UnknownPartError: there is no such kind or part.
        ConfigError: the settings are wrong.
    """
    name, outcomes = part if isinstance(part, str) else _name(part), tuple(outcomes_of(kind, part, config))
    return Report(kind, name, outcomes, procedure(kind).minimum)


def outcomes_of(
    kind: str, part: str | type, config: Mapping[str, Any] | None = None, on_begin: Watcher = lambda check: None
) -> Iterator[Outcome]:
    """The outcomes of `check`, one after the other; `on_begin` is called with the name of a check before it runs."""
    registry.check_kind(kind)
    plugins.load()
    cls: Any = registry.get(kind, part) if isinstance(part, str) else part
    if "part_name" not in dir(cls):
        cls.kind, cls.part_name = kind, _name(cls)
    exempt, blocked = dict(getattr(cls, "exempt", {})), ""
    lacking, rules = registry.missing_requirements(kind, cls), procedure(kind)
    typed = None if lacking else _typed(kind, cls, config)
    with tempfile.TemporaryDirectory(prefix="maquette-check-") as folder:
        trial = Trial(kind, cls.part_name, cls, typed, rules, Path(folder), {} if lacking else plain(typed))
        for one in (*GENERAL, *rules.checks):
            reason = rules.skips.get(one.name) or exempt.get(one.name) or blocked
            if reason:
                yield Outcome(one.name, "skipped", reason)
                continue
            on_begin(one.name)
            outcome = _run(one, trial)
            if outcome.status == "failed" and one.name in FIRST:
                blocked = f"it fails {one.name!r}"
            yield outcome


def _name(cls: type) -> str:
    """The registered name of a class, or its own name with hyphens."""
    return str(getattr(cls, "part_name", re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()))


def _run(one: Check, trial: Trial) -> Outcome:
    before = guard_states()
    try:
        one.run(trial)
    except (Skip, MissingDependency) as reason:
        return Outcome(one.name, "skipped", str(reason))
    except Fault as fault:
        return Outcome(one.name, "failed", " ".join(str(fault).split()))
    except Exception as problem:
        return Outcome(one.name, "failed", one_line(problem))
    finally:
        restore_states(before)  # so that what a part changes spoils no later check
    return Outcome(one.name, "passed")


def _typed(kind: str, cls: Any, config: Mapping[str, Any] | None) -> Any:
    """The settings to check a part with."""
    settings = getattr(cls, "example_config", {}) if config is None else config
    try:
        return check_value(cls.Config, dict(settings), kind, lambda key: None)
    except ConfigError as problem:
        if settings:
            raise
        raise ConfigError(
            f"the part cannot be checked with its defaults: {problem.message}", key=problem.key,
            hint="give it settings, or its class an example_config: ClassVar = {...}",
        ) from None  # fmt: skip
