"""The command `maquette warm-up`, and the process that a run starts for it."""

import os
import subprocess
import sys

import pytest

from maquette.cli.warm_up import start_in_background
from maquette.kernels import warm_up


@pytest.fixture
def cold(tmp_path, monkeypatch):
    """Kernels are compiled into an empty folder."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("MAQUETTE_WARM_UP", raising=False)
    yield tmp_path
    warm_up.stop()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core compiles nothing beside a run")
@pytest.mark.parametrize("switch", ["", "0"])
def test_a_cold_run_compiles_in_a_process_of_its_own_unless_that_is_switched_off(cold, monkeypatch, switch):
    monkeypatch.setenv("MAQUETTE_WARM_UP", switch)
    followed = []
    monkeypatch.setattr(warm_up, "follow", followed.append)
    start_in_background("no-such-method", [])
    for process in followed:
        assert process.communicate() == ("", None) and process.returncode == 2
    assert len(followed) == (switch == "")


@pytest.mark.slow
def test_what_was_warmed_up_is_on_disk_and_is_not_compiled_again(cold, monkeypatch):
    command = [sys.executable, "-m", "maquette", "warm-up", "instant"]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "maquette.kernels.rasterise.numba_cpu._shade_backward" in first.stdout.splitlines()
    compiled = {path: path.stat().st_mtime_ns for path in cold.rglob("*.nbc")}
    subprocess.run(command, capture_output=True, check=True)
    assert compiled and compiled == {path: path.stat().st_mtime_ns for path in cold.rglob("*.nbc")}
    followed = []
    monkeypatch.setattr(warm_up, "follow", followed.append)
    start_in_background("instant", [])
    assert not followed
