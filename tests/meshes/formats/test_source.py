"""A mesh file's account, its refusals, and the files that it names."""

from pathlib import Path

import pytest

from maquette.errors import ConfigError
from maquette.files import allowing
from maquette.meshes.formats.source import LONGEST_MESSAGE, Source, decode_text


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "mug").mkdir()
    path = tmp_path / "mug" / "mug.obj"
    path.write_bytes(b"v 0 0 0\r\n")
    return Source(path, "geometry.path")


def test_the_account_says_each_thing_once(source):
    for _ in range(2):
        source.uses("vertex colors")
        source.leaves("normals")
        source.warns("it is odd")
    assert (source.used, source.ignored, source.warnings) == (["vertex colors"], ["normals"], ["it is odd"])


def test_a_refusal_names_key_file_and_line_and_is_short(source):
    text = str(source.broken("a number is " + "9" * 1000, line=3))
    assert text.startswith("geometry.path: the mesh cannot be read: a number is 999") and "mug.obj:3" in text
    assert len(text) < LONGEST_MESSAGE + len(str(source.path)) + 100


def test_companions_are_found_in_the_folder_and_below(source):
    (source.folder / "textures").mkdir()
    (source.folder / "textures" / "a b.png").write_bytes(b"png")
    assert source.companion("textures/a b.png") == source.companion("textures\\a b.png") == b"png"
    assert source.companion("textures/a%20b.png", quoted=True) == b"png"
    assert source.find("textures/a%20b.png") is None and source.find("") is None and source.find("x" * 5000) is None
    with pytest.raises(ConfigError, match=r"refers to none\.png, which is not beside it"):
        source.companion("none.png")


def test_a_declared_root_opens_what_lies_outside(source, tmp_path):
    (tmp_path / "shared.png").write_bytes(b"png")
    with pytest.raises(ConfigError, match=r"outside its folder.*--allow FOLDER"):
        source.find("../shared.png")
    with allowing([tmp_path]):
        assert source.find("../shared.png") == tmp_path / "shared.png"


@pytest.mark.parametrize("name", [r"C:\Users\me\wood.png", "/home/me/wood.png", "file:///home/me/wood.png"])
def test_a_name_of_another_machine_is_taken_from_the_files_own_folder_and_said(source, name):
    with pytest.raises(ConfigError, match="outside its folder"):
        source.find(name)
    (source.folder / "wood.png").write_bytes(b"png")
    assert source.find(name) == source.folder / "wood.png"
    assert source.warnings == [f"it names {name}; wood.png in its own folder is taken"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_text_of_any_usual_encoding_is_read_with_plain_line_ends(encoding):
    assert decode_text("v é\r\nf 1\rg".encode(encoding)) == "v é\nf 1\ng"
