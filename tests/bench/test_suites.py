"""A suite runs every case, survives failures and stops, reuses only equal runs, and writes what it measured."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from maquette.bench.results import passed, run_suite, summarise
from maquette.bench.running import SuiteJob, suite_jobs
from maquette.bench.suites import Bar, load_suite
from maquette.cli.app import app
from maquette.errors import ConfigError, RunError
from maquette.files import sole_writer
from tiny_run import TINY_METHOD

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
bars: {{r-precision/category: {{at_least: 0.4}}}}
"""


def written(folder: Path) -> Path:
    """The suite and its method as files."""
    (folder / "tiny.yaml").write_text(TINY_METHOD)
    path = folder / "pair.yaml"
    path.write_text(SUITE.format(method=folder / "tiny.yaml"))
    return path


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.mark.parametrize(
    ("method", "place"),
    [("../methods/tiny.yaml", "methods/tiny.yaml"), ("./near.yaml", "suites/near.yaml"), ("near", "suites/near.yaml")],
)
def test_the_method_of_a_suite_is_relative_to_the_suite(method, place, tmp_path, monkeypatch):
    for folder in ("methods", "suites"):
        (tmp_path / folder).mkdir()
    (tmp_path / place).write_text(TINY_METHOD)
    (tmp_path / "suites" / "pair.yaml").write_text(SUITE.format(method=method))
    monkeypatch.chdir(tmp_path)
    suite = load_suite("suites/pair.yaml")
    assert Path(suite.method).is_absolute() and Path(suite.method).samefile(tmp_path / place)
    assert suite_jobs(suite, tmp_path / "runs")[0].stages == ("nerf",)


def test_a_suite_imports_no_local_files(tmp_path, suite_file):
    (tmp_path / "mine.py").write_text("raise SystemExit")
    (tmp_path / "tiny.yaml").write_text(f"plugins: [mine.py]\n{TINY_METHOD}")
    with pytest.raises(ConfigError, match=r"plugins: .*tiny\.yaml has parts in local files, .*make them a plugin"):
        suite_jobs(load_suite(str(suite_file)), tmp_path / "runs")


def test_a_suite_whose_method_is_not_beside_it_names_the_line(tmp_path):
    (tmp_path / "pair.yaml").write_text(SUITE.format(method="./tiny.yaml"))
    with pytest.raises(ConfigError, match=r"method: there is no such file: \./tiny\.yaml \(.*pair\.yaml:2\)"):
        load_suite(str(tmp_path / "pair.yaml"))


def test_overrides_of_a_suite_that_can_be_no_paths_are_left_alone(tmp_path):
    words = [f"prompt={'a' * 5000}", "prompt=$NOPE", "prompt=a\0b", "seed=1", "prompt="]
    text = SUITE.format(method="dreamfusion").replace('["~stages.export"]', json.dumps(words))
    (tmp_path / "pair.yaml").write_text(text)
    assert load_suite(str(tmp_path / "pair.yaml")).overrides == words


def test_paths_in_the_overrides_and_metrics_of_a_suite_are_relative_to_it(tmp_path, monkeypatch):
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "start.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "suites" / "clip").mkdir()
    text = SUITE.format(method="textmesh").replace("nano-clip", "./clip")
    start = '"stages.texture.geometry={type: mesh}", stages.texture.geometry.path=start.obj, negative_prompt=start.obj'
    (tmp_path / "suites" / "pair.yaml").write_text(text.replace('"~stages.export"', start))
    monkeypatch.chdir(tmp_path)
    suite = load_suite("suites/pair.yaml")
    assert suite.overrides[1:] == [
        f"stages.texture.geometry.path={tmp_path}/suites/start.obj", "negative_prompt=start.obj",
    ]  # fmt: skip
    assert suite.metrics["r-precision"].config.scorer == str(tmp_path / "suites" / "clip")


@pytest.fixture(scope="module")
def benched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """The suite, run once from the command line: its file, the folder of results and runs, the words."""
    folder = tmp_path_factory.mktemp("bench")
    suite = written(folder)
    words = ["bench", str(suite), "--results", str(folder / "r"), "--runs", str(folder / "runs"), "-j", "2"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return suite, folder, words


def test_a_suite_without_the_truth_that_a_metric_needs_fails_before_anything_runs(tmp_path):
    text = written(tmp_path).read_text().partition("metrics:")[0] + "metrics: {surface-distance: {}}\n"
    (tmp_path / "untrue.yaml").write_text(text)
    with pytest.raises(ConfigError, match="the case 'a red mug' has no truth to compare with"):
        run_suite(load_suite(str(tmp_path / "untrue.yaml")), tmp_path / "runs", tmp_path / "results")
    assert not (tmp_path / "runs").exists()


def test_the_command_line_writes_results_and_a_sheet(benched):
    _, folder, _ = benched
    results = json.loads((folder / "r" / "pair.json").read_text())
    assert [(c["prompt"], c["seed"]) for c in results["cases"]] == [("a red mug", 1), ("a fish: blue", 1)]
    # there is one caption, so every view retrieves it: right for the mug, wrong for the fish
    measured = results["summary"]["r-precision/category"]
    assert (measured["mean"], measured["cases"], measured["missing"], measured["better"]) == (0.5, 2, 0, "higher")
    assert measured["passed"] is True and measured["bar"] == {"at_least": 0.4}
    assert {"command", "revision", "uncommitted_changes", "versions", "machine", "method"} <= results.keys()
    assert (folder / "r" / "pair.png").stat().st_size > 1000


def test_each_row_has_the_fingerprint_that_its_run_recorded(benched):
    suite_file, folder, _ = benched
    rows = json.loads((folder / "r" / "pair.json").read_text())["cases"]
    jobs = suite_jobs(load_suite(str(suite_file)), folder / "runs")
    manifests = [json.loads(job.run.manifest.read_text()) for job in jobs]
    assert [row["fingerprint"] for row in rows] == [manifest["fingerprint"] for manifest in manifests]
    assert rows[0]["fingerprint"]["digest"] != rows[1]["fingerprint"]["digest"]


def test_running_a_suite_is_a_job_for_each_case_and_seed(benched, tmp_path):
    suite = dataclasses.replace(load_suite(str(benched[0])), seeds=(0, 1))
    assert [(job.case.prompt, job.seed) for job in suite_jobs(suite, tmp_path)] == [
        ("a red mug", 0), ("a red mug", 1), ("a fish: blue", 0), ("a fish: blue", 1),
    ]  # fmt: skip


def blocked(job: SuiteJob) -> Path:
    """A file where the run folder of a job should go."""
    shutil.rmtree(job.folder, ignore_errors=True)
    job.folder.mkdir()
    file = job.folder / "tiny"
    file.write_text("")
    return file


def test_a_run_that_fails_is_missing_and_costs_no_other(benched, tmp_path):
    suite_file, folder, _ = benched
    suite, runs = load_suite(str(suite_file)), tmp_path / "runs"
    shutil.copytree(folder / "runs", runs)
    blocked(suite_jobs(suite, runs)[1])
    results = run_suite(suite, runs, tmp_path / "r")
    assert "cannot write here" in results["cases"][1]["error"] and "error" not in results["cases"][0]
    measured = results["summary"]["r-precision/category"]
    assert (measured["mean"], measured["cases"], measured["missing"]) == (1.0, 1, 1)
    assert results["failed"] == 1 and not passed(results)


def test_runs_of_other_settings_are_not_used(benched):
    suite_file, folder, _ = benched
    suite = load_suite(str(suite_file))
    same, other = (suite_jobs(suite, folder / "runs", overrides) for overrides in ([], ["stages.nerf.steps=3"]))
    assert all(job.finished for job in same) and not any(job.finished for job in other)


@pytest.mark.slow
def test_what_failed_runs_again_and_runs_of_other_settings_stand_beside(benched):
    suite_file, folder, words = benched
    suite = load_suite(str(suite_file))
    (kept, failed), other = (suite_jobs(suite, folder / "runs", more) for more in ([], ["stages.nerf.steps=3"]))
    before = kept.run.path
    blocked(failed)
    assert CliRunner().invoke(app, words).exit_code == 1
    (failed.folder / "tiny").unlink()
    assert CliRunner().invoke(app, words).exit_code == 0
    assert kept.run.path == before and failed.finished
    again = CliRunner().invoke(app, [*words, "stages.nerf.steps=3"])
    assert again.exit_code == 0, again.output
    assert [yaml.safe_load(job.run.config.read_text())["stages"]["nerf"]["steps"] for job in other] == [3, 3]
    assert kept.finished and failed.finished


def test_a_bar_that_is_missed_ends_with_exit_code_1(benched, tmp_path):
    suite_file, _, words = benched
    text = suite_file.read_text().replace("at_least: 0.4", "at_least: 0.6")
    strict = tmp_path / "pair.yaml"
    strict.write_text(text)
    done = CliRunner().invoke(app, ["bench", str(strict), *words[2:]])
    assert done.exit_code == 1 and "bar at least 0.6: FAILED" in done.output


def test_a_bar_on_what_no_metric_measures_is_refused(benched, tmp_path):
    suite = load_suite(str(benched[0]))
    suite = dataclasses.replace(suite, bars={"r-precision/categroy": Bar(at_least=0.4)})
    with pytest.raises(ConfigError, match=r"bars.r-precision/categroy: .* did you mean 'r-precision/category'"):
        run_suite(suite, tmp_path / "runs", tmp_path)
    assert not (tmp_path / "runs").exists()


def test_a_second_bench_of_the_same_folder_is_told_who_writes_there(benched, tmp_path):
    suite_file, folder, _ = benched
    with sole_writer(folder / "runs", "suite"), pytest.raises(RunError, match=f"process {os.getpid()} on"):
        run_suite(load_suite(str(suite_file)), folder / "runs", tmp_path)


@pytest.fixture
def endless(suite_file, tmp_path) -> Path:
    """The suite with runs that end by signals alone."""
    (tmp_path / "tiny.yaml").write_text(
        TINY_METHOD.replace("steps: 2", "steps: 100000").replace("log_every: 0", "log_every: 1")
    )
    return suite_file


def wait_for_steps(folder: Path, runs: int) -> None:
    """Until so many runs of a suite have logged their first steps."""
    while sum(path.stat().st_size > 0 for path in folder.glob("*/tiny/*/*/metrics.jsonl")) < runs:
        time.sleep(0.05)


def checkpoints(folder: Path) -> list[Path]:
    return list(folder.glob("*/tiny/*/*/checkpoints/nerf/step-*/state.json"))


def test_a_suite_that_is_terminated_ends_its_runs_in_order(endless, tmp_path):
    suite = load_suite(str(endless))
    suite = dataclasses.replace(suite, cases=suite.cases[:1])

    def terminate() -> None:
        wait_for_steps(tmp_path / "runs", 1)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as ended, ThreadPoolExecutor() as pool:
        pool.submit(terminate)
        run_suite(suite, tmp_path / "runs", tmp_path)
    assert ended.value.code == 128 + signal.SIGTERM
    assert len(checkpoints(tmp_path / "runs")) == 1 and not list(tmp_path.glob("runs/**/.writer.json"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_runs_of_a_bench_in_order(endless, tmp_path, number):
    words = ["bench", str(endless), "--runs", str(tmp_path / "runs"), "-j", "2"]
    bench = subprocess.Popen(
        [sys.executable, "-m", "maquette", *words], stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # nohup would have it ignored
    )  # fmt: skip
    wait_for_steps(tmp_path / "runs", 2)
    bench.send_signal(number)
    assert bench.wait() == 128 + number
    assert len(checkpoints(tmp_path / "runs")) == 2
    assert not list(tmp_path.glob("runs/**/.writer.json"))


def test_the_summary_has_an_interval_that_narrows_with_more_cases():
    few, many = ([[{"x": float(i % 2)}] for i in range(n)] for n in (8, 200))
    wide, narrow = (summarise(cases, {"x": Bar(at_least=0.9)}, {"x": "higher"})["x"] for cases in (few, many))
    assert wide["mean"] == narrow["mean"] == 0.5 and not wide["passed"]
    assert narrow["interval_95"][1] - narrow["interval_95"][0] < wide["interval_95"][1] - wide["interval_95"][0]


def test_seeds_are_averaged_before_cases_are_compared():
    """Two cases at 0 and 1 with a hundred seeds each tell as little about a third case as with one seed."""
    once = summarise([[{"x": 0.0}], [{"x": 1.0}]], {}, {"x": "higher"})
    often = summarise([[{"x": 0.0}] * 100, [{"x": 1.0}] * 100], {}, {"x": "higher"})
    assert once == often and once["x"]["interval_95"] == [0.0, 1.0]


def test_a_bar_may_be_an_upper_limit():
    measured = summarise([[{"x": 0.1}], []], {"x": Bar(at_most=0.2)}, {"x": "lower"})["x"]
    assert measured["passed"] and measured["missing"] == 1 and measured["mean"] == 0.1
    assert not Bar(at_most=0.2).passes(0.3) and Bar(at_most=0.0).passes(0.0)
    with pytest.raises(ValueError, match="at_least: number"):
        Bar()


def test_bad_suites_name_the_line(suite_file, tmp_path):
    suite_file.write_text(suite_file.read_text().replace("seeds:", "sedes:"))
    with pytest.raises(ConfigError, match="sedes"):
        load_suite(str(suite_file))
    with pytest.raises(ConfigError, match="nano-text"):
        load_suite("nano-txet")
    suite_file.write_text(yaml.safe_dump({"cases": [], "method": "m", "metrics": {}}))
    with pytest.raises(ConfigError, match="needs cases"):
        load_suite(str(suite_file))
