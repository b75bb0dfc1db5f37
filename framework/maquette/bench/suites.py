"""Suites: their configuration, and loading one by name or file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from maquette.config import paths
from maquette.config.loading import load_method
from maquette.config.origins import error_at, leaves, load_yaml, locate
from maquette.config.parts import MetricSpec, check
from maquette.errors import ConfigError, did_you_mean
from maquette.metrics.base import Case


@dataclass(frozen=True)
class Bar:
    """What the mean of a value has to reach for a suite to pass; one of the two."""

    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a bar is {at_least: number} or {at_most: number}")

    def passes(self, mean: float) -> bool:
        """Whether a mean reaches the bar."""
        return mean >= self.at_least if self.at_least is not None else mean <= (self.at_most or 0.0)


@dataclass(frozen=True)
class Suite:
    """A benchmark suite: cases, the method that runs them, and the metrics of the results."""

    cases: list[Case]
    method: str  # a method's name, or a YAML file, relative to the suite's
    metrics: dict[str, MetricSpec]
    name: str = "suite"  # name of the results' files
    summary: str = ""  # one line for `maquette list suites`
    overrides: list[str] = field(default_factory=list)  # key=value words for every run
    seeds: list[int] = field(default_factory=lambda: [0])  # every case is run with each seed
    bars: dict[str, Bar] = field(default_factory=dict)  # "metric/value" -> what its mean has to reach
    sheet_views: int = 4  # views of each scene on the contact sheet

    def __post_init__(self) -> None:
        if not self.cases or not self.metrics or not self.seeds:
            raise ValueError("a suite needs cases, metrics and seeds")


def load_suite(name: str) -> Suite:
    """Load a suite by name or YAML file; the paths in it are relative to it.

    Raises:
        ConfigError: the suite is unknown or invalid; names key, file and line.
    """
    path = paths.find_config(name, "suites", "suite")
    data, origins = load_yaml(path)
    data.setdefault("name", path.stem)
    suite: Suite = check(Suite, data, "", lambda key: locate(origins, key))
    try:
        method = paths.find_beside(suite.method, "methods", "method", path)
    except (ConfigError, ValueError) as problem:
        message, hint = getattr(problem, "message", str(problem)), getattr(problem, "hint", "")
        raise error_at(message, "method", origins, hint) from None
    shared = method in paths.available("methods").values()
    suite = replace(suite, method=suite.method if shared else str(method.absolute()))
    return replace(suite, overrides=_absolute(suite, path.absolute().parent))


def case_of(suite: Suite, prompt: str) -> Case:
    """The case of a suite with this prompt.

    Raises:
        ConfigError: it has none.
    """
    for case in suite.cases:
        if case.prompt == prompt:
            return case
    prompts = [case.prompt for case in suite.cases]
    hint = f"{did_you_mean(prompt, prompts)}its first prompts: {', '.join(prompts[:5])}"
    raise ConfigError(f"the suite {suite.name!r} has no case with the prompt {prompt!r}", key="suite", hint=hint)


def _absolute(suite: Suite, folder: Path) -> list[str]:
    """The overrides, in which paths that are relative to the suite are absolute, as for the command line."""
    places = [_place(word.partition("=")[2], folder) for word in suite.overrides]
    if not any(map(os.path.exists, places)):
        return suite.overrides
    stand_ins = {"prompt": suite.cases[0].prompt, "image": "image.png", "data": "data"}
    values = leaves(load_method(suite.method, suite.overrides, stand_ins=stand_ins, overrides_folder=folder).plain)
    keys = [word.partition("=")[0] for word in suite.overrides]
    return [
        f"{key}={place}" if values.get(key) == place else word
        for word, key, place in zip(suite.overrides, keys, places, strict=True)
    ]


def _place(text: str, folder: Path) -> str:
    """The file that a text names if it is a path; "" if it can be none."""
    try:
        return os.path.normpath(folder / paths.expand(text)) if text else ""
    except ValueError:
        return ""
