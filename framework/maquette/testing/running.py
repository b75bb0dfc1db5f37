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
from maquette.errors import ConfigError
from maquette.testing.general import FIRST, GENERAL
from maquette.testing.kinds import procedure
from maquette.testing.report import Outcome, Report
from maquette.testing.trial import Check, Fault, Procedure, Skip, Trial, one_line

Watcher = Callable[[str], None]


def check(kind: str, part: str | type, config: Mapping[str, Any] | None = None, watch: Watcher | None = None) -> Report:
    """Check a part against the contract of its kind.

    Args:
        kind: of the part.
        part: its registered name, or its class.
        config: its settings as in YAML; None: the class's `example_config`, or the defaults.
        watch: called with the name of each check before it runs.

    Raises:
        UnknownPartError: there is no such kind or part.
        ConfigError: the settings are wrong.
    """
    plugins.load()
    cls: Any = registry.get(kind, part) if isinstance(part, str) else part
    rules = procedure(kind)
    name = part if isinstance(part, str) else getattr(cls, "part_name", _hyphened(cls.__name__))
    if "part_name" not in dir(cls):
        cls.kind, cls.part_name = kind, name
    with tempfile.TemporaryDirectory(prefix="maquette-check-") as folder:
        outcomes = tuple(_outcomes(kind, name, cls, config, rules, Path(folder), watch or (lambda check: None)))
    return Report(kind, name, outcomes, rules.minimum)


def _outcomes(
    kind: str, name: str, cls: Any, config: Mapping[str, Any] | None, rules: Procedure, folder: Path, watch: Watcher
) -> Iterator[Outcome]:
    exempt, blocked = dict(getattr(cls, "exempt", {})), ""
    lacking = registry.missing_requirements(kind, cls)
    settings = dict(getattr(cls, "example_config", {}) if config is None else config)
    typed = None if lacking else check_value(cls.Config, settings, kind, lambda key: None)
    trial = Trial(kind, name, cls, typed, rules, folder, {} if lacking else plain(typed))
    for one in (*GENERAL, *rules.checks):
        reason = rules.skips.get(one.name) or exempt.get(one.name) or blocked
        if reason:
            yield Outcome(one.name, "skipped", reason)
            continue
        watch(one.name)
        outcome = _run(one, trial)
        if outcome.status == "failed" and one.name in FIRST:
            blocked = f"it fails {one.name!r}"
        yield outcome


def _run(one: Check, trial: Trial) -> Outcome:
    try:
        one.run(trial)
    except Skip as reason:
        return Outcome(one.name, "skipped", str(reason))
    except Fault as fault:
        return Outcome(one.name, "failed", " ".join(str(fault).split()))
    except Exception as problem:
        return Outcome(one.name, "failed", one_line(problem))
    return Outcome(one.name, "passed")


def check_declared_settings(cls: Any) -> None:
    """Raise ConfigError where a part has settings without a default, and no example of them."""
    try:
        check_value(cls.Config, dict(getattr(cls, "example_config", {})), "config", lambda key: None)
    except ConfigError as problem:
        raise ConfigError(
            f"it cannot be checked with its defaults: {problem.message}", key=problem.key,
            hint="give the class an example: example_config: ClassVar = {...}",
        ) from None  # fmt: skip


def _hyphened(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
