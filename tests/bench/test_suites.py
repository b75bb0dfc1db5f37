"""A suite runs every case, outlives failures and stops, and writes what it measured."""

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
    loop: {device: cpu}
  export: {type: export, exporters: {points: {}}}
"""

SUITE = """
method: {method}
overrides: ["~stages.export"]
seeds: [0, 1]
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


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(METHOD)
    path = tmp_path / "pair.yaml"
    path.write_text(SUITE.format(method=tmp_path / "tiny.yaml"))
    return path


def test_from_the_command_line_to_results_sheet_and_resumption(suite_file, tmp_path):
    words = ["bench", str(suite_file), "--results", str(tmp_path / "r"), "--runs", str(tmp_path / "runs"), "-j", "2"]
    first = CliRunner().invoke(app, words)
    assert first.exit_code == 0, first.output
    results = json.loads((tmp_path / "r" / "pair.json").read_text())
    assert [(c["prompt"], c["seed"]) for c in results["cases"]] == [
        ("a red mug", 0), ("a red mug", 1), ("a fish: blue", 0), ("a fish: blue", 1),
    ]  # fmt: skip
    # there is one caption, so every view retrieves it: right for the mug, wrong for the fish
    assert results["summary"]["r-precision/category"]["mean"] == 0.5
    assert results["summary"]["r-precision/category"]["passed"] is True
    assert {"command", "revision", "versions", "machine", "method"} <= results.keys()
    assert (tmp_path / "r" / "pair.png").stat().st_size > 1000

    jobs = suite_jobs(load_suite(str(suite_file)), tmp_path / "runs")
    kept = jobs[0].run.path
    shutil.rmtree(jobs[3].folder)
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 0 and jobs[0].run.path == kept and jobs[3].finished


def test_a_run_that_fails_counts_as_zero_and_costs_no_other(suite_file, tmp_path):
    suite = load_suite(str(suite_file))
    jobs = suite_jobs(suite, tmp_path / "runs")
    jobs[0].folder.mkdir(parents=True)
    (jobs[0].folder / "tiny").write_text("a file where the run folder should go")
    results = run_suite(suite, tmp_path / "runs", tmp_path / "r")
    assert "cannot write here" in results["cases"][0]["error"] and "error" not in results["cases"][1]
    assert results["summary"]["r-precision/category"]["mean"] == 0.25


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
