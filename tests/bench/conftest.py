"""The tiny suite, run once in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from maquette.bench.running import SuiteRun, run_suite
from maquette.bench.suites import Suite, load_suite
from tiny_suite import write_suite


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> SuiteRun:
    """The suite, run inline; its results stand in `results` beside its file."""
    folder = tmp_path_factory.mktemp("pictures")
    suite = load_suite(str(write_suite(folder)))
    return run_suite(suite, folder / "runs", folder / "results", executor="inline")


@pytest.fixture(scope="session")
def suite(ran: SuiteRun) -> Suite:
    """The suite that was run."""
    return ran.suite


@pytest.fixture
def results(ran: SuiteRun, tmp_path: Path) -> Path:
    """A copy of its results, to be changed."""
    return Path(shutil.copytree(ran.results, tmp_path / "results"))
