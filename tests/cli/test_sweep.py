"""`maquette run --sweep`: errors before anything runs, and the lines of progress."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.cli.progress import print_progress
from maquette.runs.progress import Progress
from maquette.runs.sweep_results import SweepRow
from maquette.runs.sweeps import plan_sweep
from tiny_run import tiny_method


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--prompts", "nowhere.txt"], "cannot read nowhere.txt"),
        (["--prompts", "lib:nanno"], "did you mean 'nano'"),
        (["--prompts", "lib:nano", "prompt=a mug"], "the prompt is given twice"),
        (["--sweep", "prompt=a mug", "seed=1,"], "a value between the commas of '1,' is empty"),
        (["--sweep", "prompt=a mug", "stages.nerf.steps=2,many"], "stages.nerf.steps"),
        (["--jobs", "2", "prompt=a mug"], "--jobs and --name are for sweeps"),
    ],
)
def test_what_is_wrong_with_a_sweep_is_one_line_and_nothing_runs(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["run", str(tiny_method(tmp_path)), *words])
    assert result.exit_code == 2 and message in result.output and result.output.strip().count("\n") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_each_run_of_a_sweep_is_a_line_with_what_is_left(tmp_path, capsys):
    sweep = plan_sweep(str(tiny_method(tmp_path)), ["seed=0,1", "prompt=x", f"output={tmp_path}"])
    progress = Progress(sweep.jobs)
    print_progress(progress)
    for row in (SweepRow(sweep.jobs[0], "", True, 3.0, {}), SweepRow(sweep.jobs[1], "error: no", False, None, {})):
        progress.rows.append(row)
        print_progress(progress)
    assert capsys.readouterr().err.splitlines() == [
        "1/2  seed 0: finished before, eta unknown", "2/2  seed 1: FAILED: error: no, eta 0:00",
    ]  # fmt: skip


LOCAL_SHAPE = '''
from dataclasses import dataclass
from maquette.config.schedules.base import ScheduleShape
from maquette.registry import register


@register("schedule", "square")
class Square(ScheduleShape):
    """The square of the progress."""

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config):
        self.config = config

    def __call__(self, progress):
        return progress**2
'''


@pytest.mark.slow
def test_each_run_of_a_sweep_has_the_local_parts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "square.py").write_text(LOCAL_SHAPE)
    rate = "stages.nerf.learning_rates.default={type: square, from: 0.01, to: 0.001}"
    words = ["run", str(tiny_method(tmp_path)), "prompt=x", "seed=0,1", rate, "--sweep", "--parts", "square.py"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    configs = sorted(tmp_path.glob("outputs/sweeps/*/*/*/*/*/config.yaml"))
    assert len(configs) == 2 and all("square" in config.read_text() for config in configs)
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 0 and again.output.count("finished before") == 2
