"""Suites: their configuration, and loading one by name or file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from maquette.annotations import Count, CountOrNone, Positive
from maquette.config import paths
from maquette.config.loading import load_method
from maquette.config.origins import error_at, leaves, load_yaml, locate
from maquette.config.parts import MetricSpec, check, plain
from maquette.errors import ConfigError, did_you_mean
from maquette.export.meshed import MeshSettings
from maquette.meshes.placement import Front, Up
from maquette.metrics.base import Case, Direction
from maquette.plugins.local import import_files, read_files
from maquette.training.run_folder import slug
from maquette.weights.hashes import content_hash


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
class Column:
    """One of the methods that a suite compares."""

    method: str = ""  # a method's name, or a YAML file, relative to the suite's; "": the column's own name
    overrides: list[str] = field(default_factory=list)  # key=value words for its runs, after the suite's
    smaller: list[str] = field(default_factory=list)  # further words, tried once where memory does not suffice
    seeds: list[int] = field(default_factory=list)  # of its runs, in the place of the suite's


@dataclass(frozen=True)
class SuiteLimits:
    """What a run of a suite may take; beyond it counts as failed."""

    minutes: Positive | None = None  # wall time of one run
    memory_gb: Positive | None = None  # peak memory of its process, and of each card
    lost: CountOrNone = 2  # times that a run is gone on with whose process was killed from outside


@dataclass(frozen=True)
class Baselines:
    """The rows that bound what a result can mean."""

    best: dict[str, float] = field(default_factory=dict)  # value -> the best that there is, where no truth gives it
    trivial: Literal["ball", "nothing"] = "ball"  # a grey ball, or nothing at all


@dataclass(frozen=True)
class Protocol:
    """What of a result is measured, and how files of others are brought to the world."""

    subject: Literal["scene", "export"] = "scene"  # of our runs: the scene, or its exported mesh, read from the file
    mesh: MeshSettings = field(default_factory=MeshSettings)  # of that export
    align: Literal["none", "box", "box-yaw"] = (
        "none"  # mesh files; box: middle and longest side of the true surface; yaw: turned about the vertical, too
    )
    up: Up = "auto"  # axis of others' files that points up; auto: y for glTF, z for other formats
    front: Front = "auto"  # direction of others' files that the object faces


@dataclass(frozen=True)
class Suite:
    """A benchmark suite: cases, the methods that run them, and the metrics of the results."""

    cases: list[Case]
    metrics: dict[str, MetricSpec]
    method: str = ""  # a method's name, or a YAML file, relative to the suite's, where there is one column
    methods: dict[str, Column] = field(default_factory=dict)  # name of a column -> its method
    name: str = "suite"  # name of the results' folder
    version: Count = 1  # a change of cases, metrics, protocol or baselines changes it
    summary: str = ""  # one line for `maquette list suites`
    overrides: list[str] = field(default_factory=list)  # key=value words for every run
    seeds: list[int] = field(default_factory=lambda: [0])  # every case is run with each seed
    bars: dict[str, Bar] = field(default_factory=dict)  # "metric@version/value" -> what its mean has to reach
    protocol: Protocol = field(default_factory=Protocol)  # what of a result is measured
    limits: SuiteLimits = field(default_factory=SuiteLimits)  # what a run may take
    baselines: Baselines = field(default_factory=Baselines)  # rows that bound the results
    sheet_views: Count = 4  # views of each scene on the contact sheet

    def __post_init__(self) -> None:
        if not self.cases or not self.metrics or not self.seeds:
            raise ValueError("a suite needs cases, metrics and seeds")
        if bool(self.method) == bool(self.methods):
            raise ValueError("a suite has a method or methods")
        if Path(self.name).name != self.name:
            raise ValueError(f"the name of a suite is that of a folder, and not {self.name!r}")
        if not all(case.title for case in self.cases):
            raise ValueError("a case has a prompt, an image or data")
        titles = [slug(case.title) for case in self.cases]
        if twice := {title for title in titles if titles.count(title) > 1}:
            raise ValueError(f"two cases are called {', '.join(sorted(twice))}")
        reserved = {"oracle", "trivial"} & {slug(name) for name in self.methods}
        if reserved:
            raise ValueError(f"{', '.join(reserved)} is the name of a baseline, and of no method")

    @property
    def title(self) -> str:
        """Name and version, as in `my-suite@1`."""
        return f"{self.name}@{self.version}"

    @property
    def columns(self) -> dict[str, Column]:
        """The methods by name, each with the method's name or file."""
        if self.method:
            return {Path(self.method).stem: Column(self.method)}
        return {name: replace(column, method=column.method or name) for name, column in self.methods.items()}

    def seeds_of(self, method: str) -> list[int]:
        """The seeds of a column's runs; those of the suite for what was made elsewhere."""
        column = self.columns.get(method)
        return column.seeds if column is not None and column.seeds else self.seeds

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of what its numbers mean: cases, metrics, protocol, baselines and limits.

        Paths count by the content of the file or folder, so that a suite that was moved is the same. Defaults do not
        count, so that a new key does not make it another.
        """
        meaning = {name: getattr(self, name) for name in ("cases", "metrics", "protocol", "baselines", "limits")}
        text = json.dumps(_by_content(plain(meaning, defaults=False)), sort_keys=True, default=str)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def load_suite(name: str, parts: Sequence[Path] = ()) -> Suite:
    """Load a suite by name or YAML file; the paths in it are relative to it.

    Args:
        name: of the suite, or its file.
        parts: files and folders of local parts, which are imported, so that the suite can name them.

    Raises:
        ConfigError: the suite is unknown or invalid; names key, file and line.
        PluginError: a local file fails.
    """
    if parts:
        import_files(read_files(parts))
    path = paths.find_config(name, "suites", "suite")
    data, origins = load_yaml(path)
    data.setdefault("name", path.stem)
    suite: Suite = check(Suite, data, "", lambda key: locate(origins, key))
    shared = paths.available("methods").values()

    def locate_method(method: str, key: str) -> str:
        try:
            place = paths.find_beside(method, "methods", "method", path)
        except (ConfigError, ValueError) as problem:
            message, hint = getattr(problem, "message", str(problem)), getattr(problem, "hint", "")
            raise error_at(message, key, origins, hint) from None
        return method if place in shared else str(place.absolute())

    folder = path.absolute().parent
    if suite.method:
        method = locate_method(suite.method, "method")
        return replace(suite, method=method, overrides=_absolute(method, suite.overrides, suite.cases[0], folder))
    columns = {
        name: replace(column, method=locate_method(column.method, f"methods.{name}"))
        for name, column in suite.columns.items()
    }
    first, case = next(iter(columns.values())).method, suite.cases[0]
    columns = {
        name: replace(
            column, overrides=_absolute(column.method, column.overrides, case, folder),
            smaller=_absolute(column.method, column.smaller, case, folder),
        )
        for name, column in columns.items()
    }  # fmt: skip
    return replace(suite, methods=columns, overrides=_absolute(first, suite.overrides, case, folder))


def check_bars(bars: Mapping[str, Bar], directions: Mapping[str, Direction]) -> None:
    """Check that each bar is on a value that is measured.

    Raises:
        ConfigError: one is not; names the nearest.
    """
    for name in bars:
        if name not in directions:
            raise ConfigError(
                "no metric of the suite measures this", key=f"bars.{name}",
                hint=f"{did_you_mean(name, directions)}measured: {', '.join(directions)}",
            )  # fmt: skip


def case_of(suite: Suite, prompt: str) -> Case:
    """The case of a suite with this prompt.

    Raises:
        ConfigError: it has none.
    """
    for case in suite.cases:
        if prompt in (case.prompt, case.title):
            return case
    prompts = [case.title for case in suite.cases]
    hint = f"{did_you_mean(prompt, prompts)}its first prompts: {', '.join(prompts[:5])}"
    raise ConfigError(f"the suite {suite.name!r} has no case with the prompt {prompt!r}", key="suite", hint=hint)


def _absolute(method: str, words: list[str], case: Case, folder: Path) -> list[str]:
    """Overrides in which paths that are relative to the suite are absolute, as for the command line."""
    places = [_place(word.partition("=")[2], folder) for word in words]
    if not any(map(os.path.exists, places)):
        return words
    stand_ins = {"prompt": case.prompt, "image": case.image or "image.png", "data": case.data or "data"}
    values = leaves(load_method(method, words, stand_ins=stand_ins, overrides_folder=folder).plain)
    keys = [word.partition("=")[0] for word in words]
    return [
        f"{key}={place}" if values.get(key) == place else word
        for word, key, place in zip(words, keys, places, strict=True)
    ]


def _by_content(data: Any) -> Any:
    """Plain data in which paths of files and folders are replaced by the hash of their content."""
    if isinstance(data, dict):
        return {key: _by_content(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_by_content(value) for value in data]
    if isinstance(data, str) and os.path.isabs(data) and os.path.exists(data):
        return f"content {content_hash(Path(data))}"
    return data


def _place(text: str, folder: Path) -> str:
    """The file that a text names if it is a path; "" if it can be none."""
    try:
        return os.path.normpath(folder / paths.expand(text)) if text else ""
    except ValueError:
        return ""
