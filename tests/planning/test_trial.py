"""The dry run: what it loads, measures and leaves behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from films import numbered_film
from maquette.cameras.base import orbit_cameras
from maquette.cli.app import app
from maquette.config import load_method
from maquette.errors import ConfigError
from maquette.planning.trial import BALL, ball_views, try_method


def test_a_trial_measures_a_step_and_leaves_nothing_behind(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    trial = try_method(load_method("dreamfusion", ["prompt=a mug", *tiny_run]))
    nerf, export = trial.stages
    assert nerf.steps == 8 and nerf.step_seconds > 0 and nerf.problem == ""
    assert trial.seconds == pytest.approx(nerf.setup_seconds + 8 * nerf.step_seconds)
    assert export.problem == "it has no steps"
    assert not (tmp_path / "outputs").exists() and not list((tmp_path / "temporary").iterdir())


def test_the_command_says_what_was_tried_and_keeps_no_run(tiny_run, tmp_path):
    result = CliRunner().invoke(
        app, ["run", "dreamfusion", "--dry-run", "prompt=a mug", *tiny_run], env={"COLUMNS": "120"}
    )
    assert result.exit_code == 0, result.output
    assert "not tried: it has no steps" in result.output and "nothing was kept" in result.output
    assert not list(Path(tmp_path).rglob("manifest.json"))


def test_a_trial_of_a_film_makes_its_first_frames_and_counts_them_all(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    film = numbered_film(tmp_path / "film.mp4", 11)
    (stage,) = try_method(load_method("deep3d", [f"video={film}"])).stages
    assert (stage.steps, stage.problem) == (11, "") and stage.step_seconds > 0
    assert not list((tmp_path / "temporary").iterdir())


def test_a_trial_of_a_missing_film_fails_as_the_run_would():
    with pytest.raises(ConfigError, match="there is no film"):
        try_method(load_method("deep3d", ["video=none.mp4"]))


def test_stand_ins_show_a_ball_of_its_size():
    one = torch.ones(2)
    cameras = orbit_cameras(one * torch.tensor([0.0, 90.0]), one * 15, one * 3.0, one * 40, 128)
    views = ball_views(cameras)
    angle = torch.asin(torch.tensor(BALL / 3.0))  # half the angle at which the ball is in view
    radius = 64 * torch.tan(angle) / torch.tan(torch.deg2rad(torch.tensor(20.0)))
    assert views.picture.alpha.mean((1, 2, 3)) * 128**2 == pytest.approx(float(torch.pi * radius**2), rel=0.02)
