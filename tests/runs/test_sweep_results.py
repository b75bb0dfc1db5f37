"""A sweep runs its jobs, names those that fail, uses finished ones again, and writes a table, a page and a sheet."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.errors import RunError
from maquette.files import sole_writer
from maquette.runs.progress import Progress
from maquette.runs.sweep_results import SweepRow, run_sweep
from maquette.runs.sweeps import plan_sweep
from tiny_run import tiny_method


def call(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["run", *words], env={"COLUMNS": "160"})
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], str]:
    """A sweep over two prompts, run once from the command line: its folder, its words, and what it printed."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "pair.txt").write_text("a red mug\na blue cat, sitting\n")
    words = [str(tiny_method(folder)), "--prompts", str(folder / "pair.txt"), "seed=3", "--jobs", "2"]
    words += [f"output={folder / 'out'}"]
    code, output = call(*words, "--sweep")
    assert code == 0, output
    return folder / "out" / "sweeps" / "tiny-pair", words, output


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "results.csv").open()))


@pytest.mark.slow
def test_the_table_has_a_row_for_each_run(swept):
    folder, _, output = swept
    assert [(row["prompt"], row["state"]) for row in rows(folder)] == [
        ("a red mug", "finished"), ("a blue cat, sitting", "finished"),
    ]  # fmt: skip
    assert all(float(row["seconds"]) > 0 and Path(row["run"], "report.html").is_file() for row in rows(folder))
    assert "sweep: 2 runs in" in output and "2/2  a " in output and ", eta 0:00" in output


@pytest.mark.slow
def test_the_sheet_shows_four_views_of_each_run_and_the_page_embeds_it(swept):
    folder, _, _ = swept
    assert Image.open(folder / "sheet.png").height > 2 * 128
    page = (folder / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and "a blue cat, sitting" in page
    assert page.count('report.html">report</a>') == 2


@pytest.mark.slow
def test_the_same_command_runs_nothing_again_and_a_larger_one_what_is_new(swept):
    folder, words, _ = swept
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/*/*/*/manifest.json")}
    code, output = call(*words, "--sweep")
    assert code == 0 and output.count("finished before") == 2
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*/*/*/manifest.json")} == before


@pytest.mark.slow
def test_a_run_that_fails_is_named_with_its_log_and_stops_no_other(swept, tmp_path):
    folder, words, _ = swept
    copied = tmp_path / "sweeps" / folder.name
    shutil.copytree(folder, copied)
    broken = next(copied.glob("a-red-mug*"))
    shutil.rmtree(broken)
    broken.mkdir()
    (broken / "tiny").write_text("a file where the runs should go")
    code, output = call(*words, "--sweep", f"output={tmp_path}")
    assert code == 1 and "FAILED: a red mug: error: output: cannot write here" in output
    assert f"(log: {broken / 'log.txt'})" in output and "1 of 2 runs failed" in output
    states = [(row["state"], row["error"] != "") for row in rows(copied)]
    assert states == [("failed", True), ("finished", False)]
    assert 'class="failed">1 failed' in (copied / "index.html").read_text()


@pytest.mark.slow
def test_a_sweep_that_another_process_runs_is_left_alone(swept):
    folder, words, _ = swept
    sweep = plan_sweep(words[0], ["seed=3", words[-1]], ["a red mug"], folder.name)
    with sole_writer(folder, "sweep"), pytest.raises(RunError, match="this sweep is being written by process"):
        run_sweep(sweep)


@pytest.mark.slow
def test_an_interrupt_says_how_many_runs_are_finished(swept):
    folder, words, _ = swept
    sweep = plan_sweep(words[0], ["seed=3", words[-1]], ["a red mug", "a blue cat, sitting"], folder.name)

    def interrupt(progress: Progress) -> None:
        if len(progress.rows) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="interrupted; 2 of 2 runs are finished; go on with the same command"):
        run_sweep(sweep, on_result=interrupt)


def test_progress_tells_the_time_that_is_left_from_the_runs_and_the_steps_that_are_done(tmp_path, monkeypatch):
    words = ["seed=0,1,2,3", "prompt=x", f"output={tmp_path}"]
    sweep = plan_sweep(str(tiny_method(tmp_path)), words)
    clock = [100.0]
    monkeypatch.setattr("maquette.runs.progress.time.monotonic", lambda: clock[0])
    progress = Progress(sweep.jobs, started=100.0)
    assert progress.eta_seconds() is None
    progress.rows.append(SweepRow(sweep.jobs[0], "", True, 5.0, {}))  # finished before: says nothing of the speed
    progress.rows.append(SweepRow(sweep.jobs[1], "", False, 10.0, {}))
    clock[0] = 115.0
    assert progress.eta_seconds() == pytest.approx(30)  # 1 in 15 s, 2 are left
    sweep.jobs[2].folder.mkdir(parents=True)
    sweep.jobs[2].log.write_text(
        "run folder: x\nnerf: 1/4  2.0 steps/s  eta 0:01\nnerf: 2/2  2.0 steps/s  eta 0:00  \n"
    )
    assert progress.running == [(sweep.jobs[2], 0.5)]  # the first of two stages is done
    assert progress.eta_seconds() == pytest.approx(15)


@pytest.mark.slow
def test_ctrl_c_ends_a_sweep_with_130_and_its_runs_with_a_checkpoint(tmp_path):
    method = tiny_method(tmp_path)
    method.write_text(method.read_text().replace("steps: 2", "steps: 100000").replace("log_every: 0", "log_every: 1"))
    words = ["run", str(method), "prompt=x", "seed=0,1,2", "--sweep", "-j", "2", f"output={tmp_path / 'out'}"]
    sweep = subprocess.Popen(
        [sys.executable, "-m", "maquette", *words], stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background job ignores it
    )  # fmt: skip
    while sum(path.stat().st_size > 0 for path in tmp_path.glob("out/**/metrics.jsonl")) < 2:
        assert sweep.poll() is None
        time.sleep(0.05)
    os.killpg(sweep.pid, signal.SIGINT)
    _, errors = sweep.communicate()
    assert sweep.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; 0 of 3 runs are finished; go on with the same command"
    assert len(list(tmp_path.glob("out/**/checkpoints/nerf/step-*/state.json"))) == 2
    assert not list(tmp_path.glob("out/**/.writer.json"))
