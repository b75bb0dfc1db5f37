"""One finished run and one stopped run, each made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from command_line import run_folder
from maquette.training.run_folder import RunFolder
from tiny_run import tiny_method


@pytest.fixture(scope="session")
def tiny_finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    words = ["prompt=a red mug", "stages.nerf.loop.checkpoint_every=1", f"output={folder / 'outputs'}"]
    return run_folder("run", str(tiny_method(folder)), *words)


@pytest.fixture
def finished(tiny_finished: Path, tmp_path: Path) -> RunFolder:
    """A copy of the finished run, which may be changed."""
    return RunFolder.read(Path(shutil.copytree(tiny_finished, tmp_path / "run")))


@pytest.fixture
def stopped(finished: RunFolder) -> RunFolder:
    """The run as if it had been stopped after its first step."""
    shutil.rmtree(finished.checkpoints / "nerf" / "step-00000002")
    for path in finished.export.iterdir():
        path.unlink()
    finished.write_state({**finished.read_state(), "finished": []})
    return finished
