"""A suite runs every case, outlives failures and stops, and writes what it measured."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from maquette.bench.results import run_suite, summarise
from maquette.bench.running import suite_jobs
from maquette.bench.suites import load_suite
from maquette.cli.app import app
from maquette.errors import ConfigError

METHOD = """
prompt: ???
stages:
  nerf:
    type: optimise
    steps: 2
    cameras: {type: random-orbit, size: 16}
    geometry: {type: voxel-grid, resolution: 8}
    material: plain
    background: solid
    renderer: {type: volume, samples: 8}
    losses: {opacity: {weight: 1.0}}
    loop: {device: cpu, log_every: 0, preview_every: 0}
  export: {type: export, exporters: {points: {}}}
"""

SUITE = """
method: {method}
overrides: ["~stages.export"]
seeds: [1]
cases:
  - {{prompt: a red mug, labels: {{category: mug}}}}
  - {{prompt: "a fish: blue", labels: {{category: fish}}}}
metrics:
  r-precision:
    scorer: nano-clip
    views: 2
    supersampling: 1
    levels: [category]
    captions: {{a red mug: {{category: mug}}}}
bars: {{r-precision/category: 0.4}}
"""


def written(folder: Path) -> Path:
    """The suite and its method as files."""
    (folder / "tiny.yaml").write_text(METHOD)
    path = folder / "pair.yaml"
    path.write_text(SUITE.format(method=folder / "tiny.yaml"))
    return path


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.fixture(scope="module")
def benched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """The suite, run once from the command line: its file, the folder of results and runs, the words."""
    folder = tmp_path_factory.mktemp("bench")
    suite = written(folder)
    words = ["bench", str(suite), "--results", str(folder / "r"), "--runs", str(folder / "runs"), "-j", "2"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return suite, folder, words


def test_the_command_line_writes_results_and_a_sheet(benched):
    _, folder, _ = benched
    results = json.loads((folder / "r" / "pair.json").read_text())
    assert [(c["prompt"], c["seed"]) for c in results["cases"]] == [("a red mug", 1), ("a fish: blue", 1)]
    # there is one caption, so every view retrieves it: right for the mug, wrong for the fish
    assert results["summary"]["r-precision/category"]["mean"] == 0.5
    assert results["summary"]["r-precision/category"]["passed"] is True
    assert {"command", "revision", "versions", "machine", "method"} <= results.keys()
    assert (folder / "r" / "pair.png").stat().st_size > 1000


def test_each_case_runs_with_each_seed(benched, tmp_path):
    suite = dataclasses.replace(load_suite(str(benched[0])), seeds=(0, 1))
    assert [(job.case.prompt, job.seed) for job in suite_jobs(suite, tmp_path)] == [
        ("a red mug", 0), ("a red mug", 1), ("a fish: blue", 0), ("a fish: blue", 1),
    ]  # fmt: skip


def test_a_run_that_fails_counts_as_zero_and_costs_no_other_and_runs_again(benched, tmp_path):
    suite_file, folder, words = benched
    suite = load_suite(str(suite_file))
    kept, failed = suite_jobs(suite, folder / "runs")
    before, blocked = kept.run.path, failed.folder / "tiny"
    shutil.rmtree(failed.folder)
    failed.folder.mkdir()
    blocked.write_text("a file where the run folder should go")
    results = run_suite(suite, folder / "runs", tmp_path / "r")
    assert "cannot write here" in results["cases"][1]["error"] and "error" not in results["cases"][0]
    assert results["summary"]["r-precision/category"]["mean"] == 0.5  # 1 if failures did not count
    blocked.unlink()
    assert CliRunner().invoke(app, words).exit_code == 0
    assert kept.run.path == before and failed.finished


def test_the_summary_has_an_interval_that_narrows_with_more_cases():
    few, many = ([{"x": float(i % 2)} for i in range(n)] for n in (8, 200))
    wide, narrow = (summarise(rows, {"x": 0.9})["x"] for rows in (few, many))
    assert wide["mean"] == narrow["mean"] == 0.5 and not wide["passed"]
    assert narrow["interval_95"][1] - narrow["interval_95"][0] < wide["interval_95"][1] - wide["interval_95"][0]


def test_bad_suites_name_the_line(suite_file, tmp_path):
    suite_file.write_text(suite_file.read_text().replace("seeds:", "sedes:"))
    with pytest.raises(ConfigError, match="sedes"):
        load_suite(str(suite_file))
    with pytest.raises(ConfigError, match="nano-text"):
        load_suite("nano-txet")
    suite_file.write_text(yaml.safe_dump({"cases": [], "method": "m", "metrics": {}}))
    with pytest.raises(ConfigError, match="needs cases"):
        load_suite(str(suite_file))
