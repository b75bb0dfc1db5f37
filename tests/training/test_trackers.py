"""One tracker for all stages of a run, without a network."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
import wandb
import yaml
from typer.testing import CliRunner
from wandb.wandb_agent import Agent

from maquette.cli.app import app
from maquette.config.schema import LoggerConfig
from maquette.errors import ConfigError, MissingDependency
from maquette.training import trackers
from maquette.training.run_folder import RunFolder
from maquette.training.trackers import Tracker, check_tracker, open_tracker

STAGE = {
    "type": "optimise", "steps": 3, "cameras": {"type": "random-orbit", "size": 16},
    "geometry": {"type": "voxel-grid", "resolution": 8}, "material": "plain", "background": "solid",
    "renderer": {"type": "volume", "samples": 8}, "losses": {"opacity": {"weight": 1.0}},
    "loop": {"device": "cpu", "log_every": 1},
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(str(tmp_path), "method", "a mug", "seed: 3\n")


def test_an_offline_wandb_run_holds_all_stages_on_one_axis_of_steps(run, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    config = LoggerConfig(type="wandb", mode="offline", name="mug", tags=["red"], group="mugs")
    tracker = open_tracker(config, run, {"seed": 3, "stages": {"nerf": {}, "mesh": {}}}, {"versions": {"torch": "2"}})
    wandb_run = tracker._run
    assert wandb_run.config["seed"] == 3 and wandb_run.config["run"]["versions"] == {"torch": "2"}
    assert (wandb_run.name, wandb_run.tags, wandb_run.group) == ("mug", ("red",), "mugs")
    tracker.log({"nerf/loss": 0.25}, 5)
    tracker.log({"mesh/loss": 0.5}, 15)
    assert wandb_run.summary["nerf/loss"] == 0.25 and wandb_run.summary["step"] == 15
    (run.export / "mesh.obj").write_text("v 0 0 0")
    tracker.close({"peak_memory_mb": 7.0}, run.export, finished=True)
    wandb.teardown()  # as at the end of a process: only then has W&B's service written all that it was told
    (records,) = run.path.glob("wandb/offline-run-*/*.wandb")
    assert b"peak_memory_mb" in records.read_bytes() and b"mesh.obj" in records.read_bytes()


def test_a_method_of_two_stages_is_one_table(tmp_path):
    method = tmp_path / "two.yaml"
    method.write_text(yaml.safe_dump({"prompt": "a mug", "stages": {"one": STAGE, "two": STAGE}}))
    words = ["run", str(method), f"output={tmp_path / 'out'}", "logger.type=csv"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    (table,) = tmp_path.glob("out/two/*/*/csv/metrics.csv")
    rows = list(csv.DictReader(table.open()))
    assert [int(row["step"]) for row in rows] == list(range(6))
    assert [bool(row["one/loss"]) for row in rows] == [True] * 3 + [False] * 3


@pytest.mark.slow
def test_an_agent_of_a_sweep_runs_a_method_with_its_values(tmp_path, monkeypatch):
    """W&B's own agent starts the command of docs/runs.md; only its queue, which is the server's, is left out."""
    method = tmp_path / "one.yaml"
    method.write_text(yaml.safe_dump({"prompt": "a mug", "stages": {"one": STAGE}}))
    monkeypatch.chdir(tmp_path)
    for name, value in {"WANDB_SWEEP_ID": "s1w2e3e4", "WANDB_DIR": str(tmp_path), "WANDB_RUN_ID": ""}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", "")  # which the agent sets
    agent = Agent(api=None, queue=None, sweep_id="s1w2e3e4")
    agent._sweep_command = [
        sys.executable, "-m", "maquette", "run", str(method), "output=out", "logger.type=wandb", "logger.mode=offline",
        "${args_no_hyphens}",
    ]  # fmt: skip
    values = {"stages.one.steps": {"value": 2}, "seed": {"value": 7}}
    agent._command_run({"type": "run", "run_id": "r1u2n3", "program": "maquette", "args": values})
    assert agent._run_processes["r1u2n3"].wait() == 0
    (run,) = tmp_path.glob("out/one/*/*")
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["seed"] == 7 and config["stages"]["one"]["steps"] == 2
    (log,) = run.glob("wandb/offline-run-*-r1u2n3/*.wandb")
    assert b"one/loss" in log.read_bytes() and b"s1w2e3e4" in log.read_bytes()


def test_a_missing_package_is_named_before_anything_begins(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install 'maquette\[tensorboard\]'"):
        check_tracker(LoggerConfig(type="tensorboard"))
    check_tracker(LoggerConfig(type="wandb", mode="disabled"))
    check_tracker(LoggerConfig(type="csv"))


def test_a_missing_login_is_named_before_anything_begins(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="wandb login"):
        check_tracker(LoggerConfig(type="wandb", mode="online"))


def test_no_logger_drops_everything(run):
    tracker = open_tracker(LoggerConfig(), run, {}, {})
    assert type(tracker) is Tracker
    tracker.log({"loss": 1.0}, 0)
    tracker.close({}, run.export, finished=True)
