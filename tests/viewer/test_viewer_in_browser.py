"""The viewer as a browser shows it, and how the run and its server end together."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("viser")
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
SECONDS = 180

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]

METHOD = """
name: growing
prompt: a mug
stages:
  first:
    type: optimise
    steps: 1000000
    cameras: {type: random-orbit, size: 32}
    geometry: {type: voxel-grid, resolution: 32}
    material: plain
    background: {type: solid, color: [0.2, 0.4, 0.8]}
    renderer: {type: volume, samples: 32}
    losses: {opacity: {weight: 1.0}}
    learning_rates: {default: 0.002}
    loop: {device: cpu, log_every: 0}
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Any]:
    """A run with a viewer, as a process; `address` is its page's."""
    (tmp_path / "growing.yaml").write_text(METHOD)
    command = [sys.executable, "-m", "maquette", "run", str(tmp_path / "growing.yaml"), f"output={tmp_path}", "--view"]
    log = (tmp_path / "log").open("w")
    process: Any = subprocess.Popen([*command, "--port", "18500"], stdout=log, stderr=log, env=dict(os.environ))
    process.log = tmp_path / "log"
    until = time.monotonic() + SECONDS
    while not (found := re.search(r"viewer: (http://\S+)", process.log.read_text())):
        assert process.poll() is None and time.monotonic() < until, process.log.read_text()
        time.sleep(0.2)
    process.address = found[1]
    yield process
    process.kill()
    process.wait()


def _canvas(page: Any) -> np.ndarray:
    """The left half of the page, where no control is."""
    shot = page.screenshot(timeout=SECONDS * 1000, clip={"x": 0, "y": 0, "width": 400, "height": 600})
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(float)


def _wait(page: Any, true: Any) -> np.ndarray:
    """The canvas, once something is true of it."""
    until = time.monotonic() + SECONDS
    while not true(picture := _canvas(page)):
        assert time.monotonic() < until, "the page did not show it"
        page.wait_for_timeout(1000)
    return picture


def _filled(picture: np.ndarray) -> bool:
    """Whether the scene is in the picture: its blue background."""
    return bool((picture[..., 2] - picture[..., 0]).mean() > 20)


def test_browser_follows_a_running_optimisation_and_ctrl_c_ends_run_and_server(run: Any) -> None:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 800, "height": 600})
        page.goto(run.address, timeout=SECONDS * 1000)
        first = _wait(page, _filled)
        _wait(page, lambda picture: _filled(picture) and np.abs(picture - first).mean() > 0.5)
        page.reload(timeout=SECONDS * 1000)
        _wait(page, _filled)
        page.get_by_text("Pause").wait_for(timeout=SECONDS * 1000)
        run.send_signal(signal.SIGINT)
        assert run.wait(SECONDS) == 130
        browser.close()
    text = run.log.read_text()
    assert "a checkpoint is written" in text
    assert "Traceback" not in text and "Task was destroyed" not in text
