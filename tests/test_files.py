"""Atomic writing, and one writer to a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from maquette.errors import RunError
from maquette.files import sole_writer

HOLD = """
import sys, time
from pathlib import Path
from maquette.files import sole_writer
with sole_writer(Path(sys.argv[1]), "run"):
    print("held", flush=True)
    time.sleep(1000)
"""


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b"held\n"
    message = rf"this run is being written by process {other.pid} on \S+ since"
    with pytest.raises(RunError, match=message), sole_writer(tmp_path, "run"):
        pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / ".writer.json").is_file()  # a stale record
    with sole_writer(tmp_path, "run"):
        assert str(os.getpid()) in (tmp_path / ".writer.json").read_text()
    assert not list(tmp_path.iterdir())


def test_a_lock_is_free_after_the_block_whatever_happens_in_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), sole_writer(tmp_path, "run"):
        raise ZeroDivisionError
    with sole_writer(tmp_path, "run"):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write in .*file"), sole_writer(tmp_path / "file", "run"):
        pass


def test_a_disk_without_room_for_the_name_of_the_writer_costs_nothing(tmp_path, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maquette.files.write_atomically", full)
    with sole_writer(tmp_path, "run"):
        pass
