"""Comparing runs: settings that differ, metrics, times and pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette.config.origins import leaves, load_yaml
from maquette.report.page import PICTURES_FILE
from maquette.runs.folders import State, run_state
from maquette.runs.measures import read_measures
from maquette.training.manifest import read_manifest
from maquette.training.run_folder import RunFolder

UNCOMPARED = ("output", "summary", "logger", "prior", "variables")
"""Top-level keys that are left out: they have no effect, or stand in each stage that uses them."""


@dataclass(frozen=True)
class RunFacts:
    """What is compared of a run.

    Args:
        run: its folder.
        state: how far it came.
        settings: dotted key -> value of its resolved configuration.
        metrics: name -> value, of `measures.json` and of the stages that evaluate.
        better: name of a metric -> "higher" or "lower".
        times: name -> seconds or MB.
        picture: a contact sheet, sampled views or the last preview; None: it has none.
    """

    run: RunFolder
    state: State
    settings: Mapping[str, str]
    metrics: Mapping[str, float]
    better: Mapping[str, str]
    times: Mapping[str, float]
    picture: Path | None


@dataclass(frozen=True)
class Row:
    """One line of a comparison.

    Args:
        name: of the setting, metric or time.
        values: as text, one of each run; "" where a run has none.
        best: indices of the runs with the best value; none where it is not known which is better, or all are equal.
    """

    name: str
    values: tuple[str, ...]
    best: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other.

    Args:
        runs: the runs.
        settings: those that differ.
        metrics, times: all that any run has.
    """

    runs: tuple[RunFacts, ...]
    settings: tuple[Row, ...]
    metrics: tuple[Row, ...]
    times: tuple[Row, ...]


def compare_runs(runs: Sequence[RunFolder]) -> Comparison:
    """Compare runs by what their folders hold; no scene is loaded.

    Raises:
        ConfigError: the configuration of a run cannot be read.
    """
    facts = [read_facts(run) for run in runs]
    settings = [
        Row(key, values)
        for key in _in_order(one.settings for one in facts)
        if len(set(values := tuple(one.settings.get(key, "") for one in facts))) > 1
    ]
    better = {name: way for one in facts for name, way in one.better.items()}
    metrics = [
        _number_row(name, [one.metrics for one in facts], better) for name in _in_order(f.metrics for f in facts)
    ]
    lower = dict.fromkeys(["wall time, s"], "lower")
    times = [_number_row(name, [one.times for one in facts], lower) for name in _in_order(f.times for f in facts)]
    return Comparison(tuple(facts), tuple(settings), tuple(metrics), tuple(times))


def read_facts(run: RunFolder) -> RunFacts:
    """What is compared of a run; files that are missing or broken count as empty.

    Raises:
        ConfigError: its configuration cannot be read.
    """
    data = {key: value for key, value in load_yaml(run.config)[0].items() if key not in UNCOMPARED}
    settings = {key: _text(value) for key, value in leaves(data).items()}
    measures, manifest = read_measures(run), read_manifest(run.manifest)
    measured = [(f"{name}/{key}", value) for name, one in measures.items() for key, value in one["values"].items()]
    values = {name: value for name, value in measured if _is_number(value)}
    better = {f"{name}/{key}": way for name, one in measures.items() for key, way in one.get("better", {}).items()}
    return RunFacts(
        run, run_state(run), settings, {**_evaluated(run), **values}, better, _times(manifest), picture_of(run)
    )


def picture_of(run: RunFolder) -> Path | None:
    """The picture that says most of a run: its contact sheet, its sampled views, or its last preview."""
    previews = sorted(run.previews.glob("*/*.png"), key=lambda path: path.stat().st_mtime)
    candidates = [run.export / "sheet.png", *sorted(run.views.glob("*.png")), *previews[-1:]]
    return next((path for path in candidates if path.is_file()), None)


def _evaluated(run: RunFolder) -> dict[str, float]:
    """The numbers that stages wrote beside the exported files, e.g. psnr of a stage `evaluate`."""
    values: dict[str, float] = {}
    for path in sorted(run.export.glob("*.json")):
        try:
            figures = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(figures, dict) and path.name != PICTURES_FILE:
            values |= {f"{path.stem}/{name}": value for name, value in figures.items() if _is_number(value)}
    return values


def _times(manifest: Mapping[str, Any]) -> dict[str, float]:
    times: dict[str, Any] = {"wall time, s": manifest.get("wall_seconds")}
    parts = manifest.get("times")
    for name, part in parts.items() if isinstance(parts, dict) else ():
        if name.startswith("stage ") and isinstance(part, dict):
            times[f"{name}, s"] = part.get("wall_seconds")
    times["peak memory, MB"] = manifest.get("peak_memory_mb")
    return {name: value for name, value in times.items() if _is_number(value)}


def _number_row(name: str, columns: Sequence[Mapping[str, float]], better: Mapping[str, str]) -> Row:
    numbers = {index: column[name] for index, column in enumerate(columns) if name in column}
    best: frozenset[int] = frozenset()
    if name in better and len(set(numbers.values())) > 1:
        value = max(numbers.values()) if better[name] == "higher" else min(numbers.values())
        best = frozenset(index for index, number in numbers.items() if number == value)
    texts = tuple(f"{numbers[index]:.4g}" if index in numbers else "" for index in range(len(columns)))
    return Row(name, texts, best)


def _in_order(keys: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(key for some in keys for key in some))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)
