"""The jobs of a suite: one for each case and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maquette.bench.suites import Suite
from maquette.config.loading import load_method
from maquette.metrics.base import Case
from maquette.runs.jobs import Job, job_facts
from maquette.training.run_folder import slug


@dataclass(frozen=True, eq=False)
class SuiteJob(Job):
    """One case with one seed."""

    case: Case
    seed: int


def suite_jobs(suite: Suite, root: Path, overrides: Sequence[str] = ()) -> list[SuiteJob]:
    """All jobs of a suite, case by case.

    Raises:
        ConfigError: the method, an override or a prompt is invalid.
    """
    return [_job(suite, case, seed, root, overrides) for case in suite.cases for seed in suite.seeds]


def _job(suite: Suite, case: Case, seed: int, root: Path, overrides: Sequence[str]) -> SuiteJob:
    words = (f"prompt={case.prompt}", f"seed={seed}", *suite.overrides, *overrides)
    facts = job_facts(load_method(suite.method, words))
    return SuiteJob(f"{slug(case.prompt)}-seed{seed}", (suite.method, *words), *facts, root, case, seed)
