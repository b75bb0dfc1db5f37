"""The names in `transforms.json` are found, whoever wrote them, and never lead out of the folder."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from transforms import rewrite, write_captured, write_synthetic

from maquette.data.formats import inspect_posed_images, load_posed_images
from maquette.errors import ConfigError
from maquette.files import allowing


@pytest.mark.parametrize(
    "spell",
    [
        lambda name: f"./{name}",
        lambda name: ".\\" + name.replace("/", "\\"),
        lambda name: f"images/../{name}",
        lambda name: name.removesuffix(".png"),
        lambda name: name.replace(".png", ".jpg"),
        lambda name: name.replace(".png", ".PNG"),
        lambda name: f"/home/someone/project/{name}",
        lambda name: "C:\\Users\\some one\\" + name.replace("/", "\\"),
        lambda name: "\\\\server\\captures\\" + name.replace("/", "\\"),
    ],
)
def test_companions_named_by_other_machines_are_found(tmp_path, spell):
    write_captured(tmp_path)
    expected = load_posed_images(tmp_path)

    def rename(data):
        for frame in data["frames"]:
            frame["file_path"] = spell(frame["file_path"])

    loaded = rewrite(tmp_path, rename)
    assert torch.equal(loaded.value.picture.rgba, expected.picture.rgba) and loaded.facts["cameras"] == 9
    spelt = spell("images/a.png")
    assert (len(loaded.warnings) == 1) == (spelt.endswith(".jpg") or "some" in spelt or "server" in spelt)


@pytest.mark.parametrize("suffix", [".JPG", ".PNG", ".webp", ".JPEG", ".tif"])
def test_any_suffix_may_be_left_out(tmp_path, suffix):
    write_synthetic(tmp_path, ("train",))
    for file in list((tmp_path / "train").iterdir()):
        Image.open(file).convert("RGB").save(file.with_suffix(suffix))
        file.unlink()
    assert inspect_posed_images(tmp_path).facts["cameras"] == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../secret.png", r"frames\.0\.file_path: '\.\./secret\.png' leads out of the folder .*--allow"),
        ("images/../../secret.png", "leads out of the folder"),
        ("..\\secret.png", "leads out of the folder"),
        ("../gone.png", "leads out of the folder"),
        ("link.png", "'link.png' leads out of the folder"),
        ("folder/secret.png", "leads out of the folder"),
        ("http://example.com/0.png", "is a URL"),
        ("file:///etc/0.png", "is a URL"),
        ("file:images/0.png", "is a URL"),
        ("", "is no name of a file"),
        ("images/\x00.png", "is no name of a file"),
        ("\ud800.png", "is no name of a file"),
        ("a" * 1000, r"cannot look for 'aaa"),
    ],
)
def test_names_that_leave_the_folder_or_are_none_are_refused(tmp_path, name, message):
    folder = tmp_path / "set"
    write_captured(folder)
    (tmp_path / "secret.png").write_bytes((folder / "images/frame_00000.jpg.png").read_bytes())
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "folder").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match=message) as error:
        rewrite(folder, lambda data: data["frames"][0].update(file_path=name))
    assert "\n" not in str(error.value)
    if "secret" in name or "link" in name:
        with allowing([tmp_path]):
            assert len(load_posed_images(folder)) == 9


def test_an_absolute_path_is_never_followed_out_of_the_folder(tmp_path):
    folder = tmp_path / "set"
    write_captured(folder)
    (tmp_path / "secret.png").write_bytes((folder / "images/frame_00000.jpg.png").read_bytes())
    loaded = rewrite(folder, lambda data: data["frames"][0].update(file_path=str(tmp_path / "secret.png")))
    assert loaded.facts["frames_skipped"][0]["name"].endswith("secret.png") and loaded.facts["cameras"] == 8
    inside = folder / "images/frame_00000.jpg.png"
    assert rewrite(folder, lambda data: data["frames"][0].update(file_path=str(inside))).facts["cameras"] == 9
