"""Folder names for any prompt."""

import os
import socket
import subprocess
import sys

import pytest

from maquette.errors import RunError
from maquette.training.run_folder import RunFolder, slug


def test_a_plain_prompt_is_its_own_slug():
    assert slug("a red mushroom") == "a-red-mushroom"


@pytest.mark.parametrize("text", ["a/b", "..", "x" * 400, "🦊", "a  b", "A b", "con: 'x'", "\n", ""])
def test_any_text_makes_one_safe_short_name(text):
    name = slug(text)
    assert name and "/" not in name and not name.startswith(".") and len(name) <= 70
    assert name.isascii()


def test_texts_that_lose_something_stay_apart():
    assert len({slug(text) for text in ("🦊", "🐻", "a/b", "a b", "a:b")}) == 5


def test_two_runs_at_one_time_get_two_folders(tmp_path):
    first, second = (RunFolder.create(str(tmp_path), "m", "p", "seed: 0\n") for _ in range(2))
    assert first.path != second.path


@pytest.mark.parametrize("config", ["[]", '"a"', "null", '{"stages": []}', "{}"])
def test_a_state_whose_configuration_is_none_is_one_line(tmp_path, config):
    run = RunFolder(tmp_path)
    run.state.write_text(f'{{"finished": [], "config": {config}}}')
    with pytest.raises(RunError, match=r"cannot read .*state\.json: .*; delete this file"):
        run.read_state()


def test_temporary_files_of_a_killed_process_are_swept(tmp_path):
    run = RunFolder.create(str(tmp_path), "m", "p", "seed: 0\n")
    (run.export / "mesh").mkdir()
    left = [
        ".state.json.tmp",
        "export/.sheet.f0e20638.tmp.png",
        "export/mesh/.mesh.00.tmp.glb",
        "previews/.a.1.tmp.png",
    ]
    for name in [*left, "export/mesh/mesh.glb", "export/.hidden"]:
        (run.path / name).write_text("x")
    run.sweep()
    assert not [name for name in left if (run.path / name).exists()]
    assert (run.export / "mesh" / "mesh.glb").exists() and (run.export / ".hidden").exists()


def test_a_folder_of_a_process_that_was_killed_while_it_made_it_is_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    parent, host = tmp_path / "m" / "p", slug(socket.gethostname())
    names = [f".new-{host}-{dead.pid}-00", f".new-{host}-{os.getpid()}-00", f".new-elsewhere-{dead.pid}-00"]
    for name in names:
        (parent / name).mkdir(parents=True)
    run = RunFolder.create(str(tmp_path), "m", "p", "seed: 0\n")
    assert sorted(path.name for path in parent.iterdir()) == sorted([*names[1:], run.path.name])
