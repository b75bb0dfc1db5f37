"""What is found before a method runs, and what is said where it stops."""

import os
import re
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.config import load_method
from maquette.errors import ConfigError
from maquette.pipeline import check_devices, saved_so_far
from maquette.training.run_folder import RunFolder
from maquette.training.signals import SIGNALS
from tiny_run import ONE_STAGE


def resolved(folder: Path, *words: str):
    path = folder / "tiny.yaml"
    path.write_text(ONE_STAGE)
    return load_method(str(path), [f"output={folder / 'out'}", *words])


def test_a_device_that_is_not_there_is_named_with_the_line_that_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    method = resolved(tmp_path, "stages.first.loop.device=cuda")
    with pytest.raises(ConfigError, match=re.escape("stages.first.loop.device: ")):
        check_devices(method)
    check_devices(resolved(tmp_path))


def test_what_a_stopped_run_has_saved_is_said_with_the_command_that_goes_on(tmp_path):
    run = RunFolder.create(str(tmp_path), "m", "a mug", ONE_STAGE)
    assert saved_so_far(run).startswith("saved: nothing yet; go on with: maquette resume ")
    (run.checkpoints / "first" / "step-00000002").mkdir(parents=True)
    (run.checkpoints / "first" / "step-00000010").mkdir()
    assert saved_so_far(run).startswith("saved: first up to step 10; ")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_an_export_is_one_line_that_says_what_is_saved_and_how_to_go_on(number, tmp_path, monkeypatch):
    points = "  export: {type: export, exporters: {points: {count: 10, resolution: 8, threshold: 0.001}}}\n"
    (tmp_path / "m.yaml").write_text(ONE_STAGE + points)

    def interrupted(*arguments: object) -> None:
        os.kill(os.getpid(), number)

    before = [signal.signal(one, signal.default_int_handler) for one in SIGNALS]
    try:
        with monkeypatch.context() as patch:
            patch.setattr("maquette.export.exporters.points.query_colors", interrupted)
            words = ["run", str(tmp_path / "m.yaml"), f"output={tmp_path / 'out'}"]
            result = CliRunner().invoke(app, words)
    finally:
        for one, handler in zip(SIGNALS, before, strict=True):
            signal.signal(one, handler)
    (run,) = (tmp_path / "out").glob("*/*/*")
    assert result.exit_code == 128 + number
    line = f"interrupted; saved: first up to step 1; go on with: maquette resume {run}"
    assert result.stderr.splitlines()[-1] == line
    assert CliRunner().invoke(app, ["resume", str(run)]).exit_code == 0
    assert [file.name for file in (run / "export").iterdir()] == ["points.ply"]
