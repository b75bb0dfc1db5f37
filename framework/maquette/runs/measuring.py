"""Measuring a finished or stopped run anew, from its newest checkpoint, without training."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maquette import registry
from maquette.config.origins import parse_value
from maquette.config.parts import MetricSpec, PartSpec, TruthSpec, check, plain
from maquette.errors import ConfigError, did_you_mean
from maquette.files import sole_writer, write_atomically
from maquette.kernels.devices import limit_threads
from maquette.metrics.base import Case, MeasuredSubject, Measurement, Metric, check_truth
from maquette.runs.measures import MEASURES_FILE, read_measures
from maquette.runs.part_words import configure_parts, default_settings
from maquette.stages.finished import load_run, newest_scene
from maquette.training.manifest import revision
from maquette.training.run_folder import RunFolder

DIGITS = 4  # behind the point, of values


@dataclass(frozen=True)
class Measures:
    """What was measured of a run.

    Args:
        metrics: name of a metric -> its values, which of them are better ("higher" or "lower"), and its facts.
        file: where all that was ever measured of the run is written.
        stage, step: which scene of the run, from the checkpoint after which step; 0: it has no steps.
    """

    metrics: Mapping[str, Mapping[str, Any]]
    file: Path
    stage: str
    step: int

    @property
    def values(self) -> dict[str, float]:
        """All values, by "metric/value"."""
        return {f"{name}/{key}": value for name, one in self.metrics.items() for key, value in one["values"].items()}


def measure_scene(scene: MeasuredSubject, metrics: Mapping[str, Metric], case: Case) -> dict[str, Measurement]:
    """What each metric measures of a scene, its values rounded."""
    measured = {name: metric(scene, case) for name, metric in metrics.items()}
    return {
        name: replace(one, values={key: round(value, DIGITS) for key, value in one.values.items()})
        for name, one in measured.items()
    }


def measure_run(
    run: RunFolder, metrics: Mapping[str, PartSpec], case: Case, suite: str = "", parts: Sequence[Path] = ()
) -> Measures:
    """Measure the newest scene that a run has saved, and write it to the run's `measures.json`.

    What the file has of other metrics stays.

    Args:
        run: a finished or stopped run.
        metrics: the metrics, by name.
        case: the prompt with labels and truth, where metrics compare with them.
        suite: the name of the suite that both are of, if one is.
        parts: local files to take in place of those that the run names.

    Raises:
        ConfigError: a metric needs a truth that the case has not.
        RunError: the run has saved no scene, or another process writes it.
    """
    built: dict[str, Metric] = {name: spec.build() for name, spec in metrics.items()}
    for metric in built.values():
        check_truth(metric, case)
    limit_threads()
    with sole_writer(run.path, "run"):
        saved = newest_scene(run, parts)
        facts = {
            "suite": suite, "prompt": case.prompt, "labels": dict(case.labels), "stage": saved.stage,
            "step": saved.step, "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "revision": revision(),
        }  # fmt: skip
        measured = {
            name: {
                "values": dict(one.values), "better": dict(built[name].directions()), "facts": dict(one.facts),
                "settings": plain(metrics[name]), **facts,
            }
            for name, one in measure_scene(saved.scene, built, case).items()
        }  # fmt: skip
        file = run.path / MEASURES_FILE
        write_atomically(file, json.dumps({**read_measures(run), **measured}, indent=1, ensure_ascii=False))
    return Measures(measured, file, saved.stage, saved.step)


def chosen_metrics(names: Sequence[str], words: Sequence[str] = ()) -> dict[str, PartSpec]:
    """Metrics by name, with `METRIC.key=value` words over their defaults; none: those that need nothing else.

    Raises:
        ConfigError: there is no such metric, or a setting is unknown, wrong or missing.
    """
    available = registry.names("metric")
    for name in names:
        if name not in available:
            hint = f"{did_you_mean(name, available)}known: {', '.join(available)}"
            raise ConfigError(f"there is no metric {name!r}", key="metrics", hint=hint)
    return configure_parts(
        MetricSpec, {name: default_settings("metric", name) for name in names or self_sufficient_metrics()}, words
    )


def self_sufficient_metrics() -> list[str]:
    """The metrics that need neither settings nor a true object or a picture."""
    return [
        name
        for name in registry.names("metric")
        if not registry.get("metric", name).compares() and len(default_settings("metric", name)) > 1
    ]


def case_of(run: RunFolder, words: Sequence[str], parts: Sequence[Path] = ()) -> tuple[Case, list[str]]:
    """The case of a run: its prompt, and the truth and labels that words give, e.g. `labels={category: mug}`.

    Returns:
        The case, and the words that are for the metrics.

    Raises:
        ConfigError: a truth or labels are not what they should be.
    """
    settings: dict[str, Any] = {}
    rest: list[str] = []
    for word in words:
        key, _, text = word.partition("=")
        if key in ("truth", "labels"):
            settings[key] = parse_value(text, key)[0]
        else:
            rest.append(word)
    labels = check(dict[str, str], settings.get("labels", {}), "labels", lambda key: None)
    truth = check(TruthSpec, settings["truth"], "truth", lambda key: None) if "truth" in settings else None
    method = load_run(run, parts).method
    return Case(method.prompt, labels, truth, method.image or "", method.data or ""), rest
