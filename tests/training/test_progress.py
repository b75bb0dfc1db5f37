"""Progress in a log: lines from time to time, and one at the end."""

import re
import sys
from types import ModuleType

from maquette.training.progress import LOG_EVERY_SECONDS, StepProgress, in_notebook


def test_progress_is_a_line_at_the_end_and_none_in_between_of_a_short_run(capsys):
    progress = StepProgress("nerf", total=4, done=1)
    for done in (2, 3, 4):
        progress.update(done, "loss 0.5")
    progress.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"nerf: 4/4  [\d.]+ steps/s  eta 0:00  loss 0\.5", line)


def test_progress_of_a_long_run_is_a_line_every_so_often_with_the_time_that_is_left(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("maquette.training.progress.time.monotonic", lambda: clock[0])
    progress = StepProgress("nerf", total=100, done=10)
    for done in range(11, 41):
        clock[0] += 1.0
        progress.update(done, "")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 30 // LOG_EVERY_SECONDS
    assert lines[0].strip() == "nerf: 25/100  1.0 steps/s  eta 1:15"


class ZMQInteractiveShell:
    """The name by which Jupyter's shell is known."""


def test_progress_in_a_notebook_is_one_line_that_is_written_over(capsys, monkeypatch):
    ipython = ModuleType("IPython")
    ipython.get_ipython = ZMQInteractiveShell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    clock = [0.0]
    monkeypatch.setattr("maquette.training.progress.time.monotonic", lambda: clock[0])
    progress = StepProgress("nerf", total=10)
    for done in range(1, 11):
        clock[0] += 0.3
        progress.update(done, "")
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and out.endswith("\n")
    lines = out.strip("\r\n").split("\r")
    assert len(lines) == 5 and lines[-1].startswith("█" * 24 + " nerf: 10/10")


def test_a_terminal_of_ipython_is_no_notebook(monkeypatch):
    ipython = ModuleType("IPython")
    ipython.get_ipython = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert not in_notebook()
