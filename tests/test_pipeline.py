"""What is found before a method runs, and what is said where it stops."""

import re
from pathlib import Path

import pytest

from maquette.config import load_method
from maquette.errors import ConfigError
from maquette.pipeline import check_devices, saved_so_far
from maquette.training.run_folder import RunFolder

METHOD = """
name: tiny
prompt: a mug
stages:
  first:
    type: optimise
    steps: 1
    cameras: {type: fixed, size: 8}
    geometry: {type: voxel-grid, resolution: 4}
    material: plain
    background: solid
    renderer: {type: volume, samples: 4}
    losses: {opacity: {weight: 1.0}}
    loop: {device: cpu, log_every: 0}
"""


def resolved(folder: Path, *words: str):
    path = folder / "tiny.yaml"
    path.write_text(METHOD)
    return load_method(str(path), [f"output={folder / 'out'}", *words])


def test_a_device_that_is_not_there_is_named_with_the_line_that_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    method = resolved(tmp_path, "stages.first.loop.device=cuda")
    with pytest.raises(ConfigError, match=re.escape("stages.first.loop.device: ")):
        check_devices(method)
    check_devices(resolved(tmp_path))


def test_what_a_stopped_run_has_saved_is_said_with_the_command_that_goes_on(tmp_path):
    run = RunFolder.create(str(tmp_path), "m", "a mug", METHOD)
    assert saved_so_far(run).startswith("saved: nothing yet; remove the cause, then go on with: maquette run --resume ")
    (run.checkpoints / "first" / "step-00000002").mkdir(parents=True)
    (run.checkpoints / "first" / "step-00000010").mkdir()
    assert saved_so_far(run).startswith("saved: first up to step 10; ")
