"""Suites: their configuration, and loading one by name or file."""

from __future__ import annotations

from dataclasses import dataclass, field

from maquette.config import paths
from maquette.config.origins import load_yaml, locate
from maquette.config.parts import MetricSpec, check
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
    method: str  # a method's name, or a YAML file
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
    """Load a suite by name or YAML file.

    Raises:
        ConfigError: the suite is unknown or invalid; names key, file and line.
    """
    path = paths.find_config(name, "suites", "suite")
    data, origins = load_yaml(path)
    data.setdefault("name", path.stem)
    return check(Suite, data, "", lambda key: locate(origins, key))
