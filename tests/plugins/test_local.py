"""Local files: read for the names of their parts, or imported, in isolation and with their hashes."""

import hashlib
import sys

import pytest

from fake_plugins import LOSS
from maquette import registry
from maquette.errors import ConfigError, PluginError
from maquette.plugins.local import SOURCE, import_files, read_files, unread


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_loss.py"
    path.write_text(LOSS)
    yield path
    registry.forget_declared(lambda declaration: declaration.source != SOURCE)


def test_an_imported_file_brings_its_parts(file):
    import_files(read_files([file]))
    assert registry.get("loss", "brightness").__name__ == "Brightness"
    assert registry.get("loss", "local/brightness").__module__.startswith("local_my_loss_")
    assert registry.summary("loss", "brightness") == "Brightness: the mean of 1 - rgb over all pixels."
    assert registry.source("loss", "brightness") == "local"
    import_files(())
    assert "brightness" not in registry.names("loss")


def test_a_file_that_is_only_read_runs_nothing(file):
    file.write_text("raise SystemExit\n" + LOSS.replace("from __future__ import annotations\n", ""))
    with unread(read_files([file])):
        assert "brightness" in registry.names("loss")
        with pytest.raises(
            PluginError, match=r"'brightness' of local file .*my_loss\.py is not imported: .* --parts FILE"
        ):
            registry.get("loss", "brightness")
    assert "brightness" not in registry.names("loss")


def test_a_part_that_is_imported_stays_so_within_the_names_of_its_file_or_a_copy(file, tmp_path):
    import_files(read_files([file]))
    cls, copy, other = registry.get("loss", "brightness"), tmp_path / "copy.py", tmp_path / "other.py"
    copy.write_text(LOSS)
    with unread(read_files([file, copy])):
        assert registry.get("loss", "brightness") is cls
    assert registry.get("loss", "brightness") is cls
    other.write_text(LOSS + "\n# another\n")
    with pytest.raises(PluginError, match="are two parts of one name"), unread(read_files([other])):
        pass


def test_a_folder_stands_for_its_files_and_the_hash_is_of_the_content(file, tmp_path):
    (tmp_path / "_helper.py").write_text("")
    (local,) = read_files([tmp_path])
    assert local.path == file and local.sha256 == hashlib.sha256(LOSS.encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.py", r"plugins: cannot read the local file .*none\.py: No such file"),
        ("notes.txt", r"plugins: .*notes\.txt is no Python file"),
        ("empty", "plugins: there is no Python file in"),
    ],
)
def test_what_is_no_python_file_is_named(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ConfigError, match=message):
        read_files([tmp_path / name])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise SystemExit(3)", r"local file .*my_loss\.py: SystemExit: 3 \(.*my_loss\.py:1\)"),
        ("\ndef f(:", r"local file .*my_loss\.py: SyntaxError: .* \(.*my_loss\.py:2\)"),
        ("x = 3", r"local file .*my_loss\.py: it has no part: write @register\("),
        (
            LOSS.replace("brightness", "opacity"),
            r"loss 'opacity' of local file .* has a name that is taken by maquette",
        ),
        (LOSS.replace('"loss"', '"lose"'), r"local file .*: there is no kind .* 'lose'; did you mean 'loss'"),
        (
            LOSS.replace("class Config", "class Settings"),
            r"is unfinished: it lacks a dataclass Config.* \(.*my_loss\.py:\d+\)",
        ),
    ],
)
def test_a_file_that_fails_is_one_line_and_brings_nothing(file, text, message):
    import_files(read_files([file]))
    file.write_text(text)
    with pytest.raises(PluginError, match=message) as failure:
        import_files(read_files([file]))
    assert "\n" not in str(failure.value)
    assert registry.get("loss", "brightness").__name__ == "Brightness"  # as it was
    before = len([name for name in sys.modules if name.startswith("local_my_loss")])
    with pytest.raises(PluginError):
        import_files(read_files([file]))
    assert len([name for name in sys.modules if name.startswith("local_my_loss")]) <= before + 1


def test_two_files_do_not_share_a_name(file, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(LOSS)
    with pytest.raises(
        PluginError, match=r"other\.py has a name that is taken by local file .*my_loss\.py; give it another"
    ):
        import_files(read_files([file, other]))
