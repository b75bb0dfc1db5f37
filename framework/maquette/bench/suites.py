"""What a suite is, and how one is found and read."""

from __future__ import annotations

from dataclasses import dataclass, field

from maquette.config import paths
from maquette.config.origins import load_yaml, locate
from maquette.config.parts import MetricSpec, check
from maquette.metrics.base import Case


@dataclass(frozen=True)
class Suite:
    """Cases, the method that takes them, and the metrics that judge the results."""

    cases: list[Case]
    method: str  # a method's name, or a YAML file
    metrics: dict[str, MetricSpec]
    name: str = "suite"  # names the results
    summary: str = ""  # one line for `maquette list suites`
    overrides: list[str] = field(default_factory=list)  # key=value words for every run
    seeds: list[int] = field(default_factory=lambda: [0])  # every case runs once with each
    bars: dict[str, float] = field(default_factory=dict)  # "metric/value": the least mean that counts as passed
    sheet_views: int = 4  # pictures of each scene on the contact sheet

    def __post_init__(self) -> None:
        if not self.cases or not self.metrics or not self.seeds:
            raise ValueError("a suite needs cases, metrics and seeds")


def load_suite(name: str) -> Suite:
    """The suite of that name, or in that YAML file.

    Raises:
        ConfigError: naming key, file and line of what is wrong.
    """
    path = paths.find_config(name, "suites", "suite")
    data, origins = load_yaml(path)
    data.setdefault("name", path.stem)
    return check(Suite, data, "", lambda key: locate(origins, key))
