"""A file is whole or not there, also when several write it."""

from pathlib import Path

import pytest

from maquette.files import atomic_path


def test_two_who_write_one_file_do_not_meet(tmp_path: Path):
    path = tmp_path / "new" / "picture.png"
    with atomic_path(path) as first:
        first.write_text("first")
        with atomic_path(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first" and first.suffix == ".png"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path: Path):
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as place:
        place.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
