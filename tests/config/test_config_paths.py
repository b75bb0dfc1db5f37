"""What the paths in a config mean: ~, variables, the folder of the file, and folders that may not be left."""

import getpass
import io
import json
import logging
import os
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.config import load_method, paths
from maquette.errors import ConfigError
from maquette.files import allowing

METHOD = """
image: ${variables.picture}
variables: {picture: cup.png}
stages:
  fit:
    type: optimise
    steps: 1
    data: {type: image, path: "${image}"}
    geometry: {type: gaussians, points: ""}
    material: plain
    background: solid
    renderer: splat
    losses: {rgb: {}}
    loop: {log_every: 0}
"""
TEXT = """
prompt: x
stages:
  nerf:
    type: optimise
    steps: 1
    cameras: {type: random-orbit, size: 16}
    geometry: {type: hash-grid, levels: 2, log2_table_size: 8}
    material: plain
    background: solid
    renderer: {type: volume, samples: 8}
    losses: {opacity: {weight: 1.0}}
    loop: {log_every: 0}
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home folder with a picture, a point cloud and methods; the working folder is another."""
    folder, work = tmp_path / "home", tmp_path / "desk"
    for path in (folder / "methods", work):
        path.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("CUPS", str(folder))
    monkeypatch.chdir(work)
    picture = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (4, 4, 12, 12))
    for path in (folder / "cup.png", folder / "methods" / "cup.png", work / "cup.png"):
        picture.save(path)
    (folder / "methods" / "image.yaml").write_text(METHOD)
    (folder / "methods" / "text.yaml").write_text(TEXT)
    (folder / "points.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
        "0 0 0\n0.1 0 0\n"
    )
    return folder


def data_path(*words: str, method: str = "~/methods/image.yaml") -> str:
    return load_method(method, list(words)).method.stages["fit"].config.data.config.path


def test_a_path_in_a_file_is_relative_to_the_file_however_it_is_reached(home):
    assert data_path() == str(home / "methods" / "cup.png")
    (home / "methods" / "child.yaml").write_text("extends: image.yaml\nvariables: {picture: ../cup.png}\n")
    assert data_path(method="~/methods/child.yaml") == str(home / "cup.png")


@pytest.mark.parametrize("typed", ["cup.png", "./cup.png", "../desk/cup.png"])
def test_a_path_of_the_command_line_is_relative_to_the_working_folder(home, typed):
    expected = str(home.parent / "desk" / "cup.png")
    words = [[f"image={typed}"], [f"variables.picture={typed}"], [f"stages.fit.data.path={typed}"]]
    assert [data_path(*one) for one in words] == [expected] * 3


@pytest.mark.parametrize("typed", ["~/cup.png", "$HOME/cup.png", "${CUPS}/cup.png", "$CUPS/methods/../cup.png"])
def test_home_and_variables_are_filled_in_wherever_a_path_is_read(home, typed):
    points = "stages.fit.geometry.points=" + typed.replace("cup.png", "points.ply")
    method = load_method("$HOME/methods/image.yaml", [f"image={typed}", points, f"output={typed[:-8]}/runs"]).method
    assert method.image == str(home / "cup.png") and method.output == str(home / "runs")
    assert method.stages["fit"].config.geometry.config.points == str(home / "points.ply")
    if "{" not in typed:
        (home / "methods" / "child.yaml").write_text(f"extends: image\nimage: {typed}\n")
        assert data_path(method="~/methods/child.yaml") == str(home / "cup.png")


def test_a_variable_that_is_not_set_is_named(home):
    with pytest.raises(ConfigError, match=r"^stages\.fit\.data\.path: the environment variable NOWHERE is not set"):
        load_method("~/methods/image.yaml", ["image=$NOWHERE/cup.png"])


def test_a_picture_that_is_not_there_is_named_by_where_it_was_looked_for(home):
    with pytest.raises(ConfigError, match=rf"there is no picture {os.getcwd()}/mug\.png"):
        data_path("image=mug.png")
    (home / "methods" / "child.yaml").write_text("extends: image\nimage: mug.png\n")
    with pytest.raises(ConfigError, match=rf"there is no picture {home}/methods/mug\.png"):
        data_path(method="~/methods/child.yaml")


def test_a_path_that_no_file_system_takes_is_one_line(home):
    long = "x" * 5000
    for word in (f"image={long}", f"stages.fit.start={long}", f"stages.fit.geometry.points={long}"):
        with pytest.raises(ConfigError) as caught:
            load_method("~/methods/image.yaml", ["image=cup.png", word])
        assert caught.value.key.startswith("stages.fit")
    with pytest.raises(ConfigError, match="there is no such file"):
        load_method(f"{long}/x.yaml")


def test_names_that_are_no_paths_stay_names(home):
    words = ["prompt=x", "stages.nerf.guidance.sds.prior.path=org/model", "prior.size=64"]
    nerf = load_method("dreamfusion", words).method.stages["nerf"].config
    assert nerf.guidance["sds"].prior.config.path == "org/model" and nerf.start == "scratch"
    (Path() / "nano-text").mkdir()  # a folder of the name of weights that a plugin carries
    prior = load_method("dreamfusion", ["prompt=x"]).method.stages["nerf"].config.guidance["sds"].prior.config
    assert prior.path == "nano-text"
    (Path() / "org" / "model").mkdir(parents=True)
    nerf = load_method("dreamfusion", words).method.stages["nerf"].config
    assert nerf.guidance["sds"].prior.config.path == os.path.abspath("org/model")


def test_the_config_of_a_run_works_from_any_folder(home, monkeypatch):
    first = load_method("~/methods/image.yaml", ["image=cup.png", "output=runs"])
    folder = home / "elsewhere"
    folder.mkdir()
    (folder / "config.yaml").write_text(first.to_yaml())
    monkeypatch.chdir(home)
    again = load_method(str(folder / "config.yaml"))
    assert again.method == first.method
    assert (again.method.image, again.method.output) == (
        str(home.parent / "desk" / "cup.png"),
        str(home.parent / "desk" / "runs"),
    )


def test_another_picture_reaches_the_stages_of_a_run(home):
    (home / "config.yaml").write_text(load_method("~/methods/image.yaml", []).to_yaml())
    again = load_method(str(home / "config.yaml"), ["image=cup.png"]).method
    assert again.image == again.stages["fit"].config.data.config.path == os.path.abspath("cup.png")


def test_a_run_lies_in_the_home_folder_and_is_resumed_from_another(home, monkeypatch):
    result = CliRunner().invoke(app, ["run", "../home/methods/text.yaml", "output=~/my runs"])
    assert result.exit_code == 0, result.output
    (folder,) = (home / "my runs").glob("*/*/*/")
    assert not Path("~").exists() and f"again: maquette run '{folder}/config.yaml'" in result.output
    monkeypatch.chdir("/")
    resumed = CliRunner().invoke(app, ["resume", str(folder)])
    assert resumed.exit_code == 0, resumed.output


def test_a_console_without_the_letters_ends_no_run(home, monkeypatch):
    console = io.BytesIO()
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(console, encoding="ascii", write_through=True))
    words = ["run", str(home / "methods" / "text.yaml"), "prompt=größe 🦊", f"output={home / 'größe'}"]
    with pytest.raises(SystemExit) as ended:
        app(words)
    assert ended.value.code == 0 and b"Traceback" not in console.getvalue()
    assert b"gr\\xf6\\xdfe" in console.getvalue()


def run_of(home: Path, **manifest: str) -> Path:
    """A run folder with a checkpoint, whose picture lies outside it."""
    folder = home / "run"
    (folder / "checkpoints" / "fit" / "step-00000001").mkdir(parents=True)
    (folder / "config.yaml").write_text(load_method("~/methods/image.yaml", ["image=~/cup.png"]).to_yaml())
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_the_run_of_another_user_stays_in_its_folder(home, monkeypatch, caplog):
    folder = run_of(home, owner=paths.owner())
    assert data_path(method=str(folder / "config.yaml")) == str(home / "cup.png")
    for manifest in ({}, {"owner": "someone else"}, [], "x"):
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ConfigError, match=rf"^stages\.fit\.data\.path: {home}/cup\.png lies outside {folder},"):
            data_path(method=str(folder / "config.yaml"))
    monkeypatch.setattr(getpass, "getuser", lambda: "me")
    with allowing([home]):
        own = load_method(str(folder / "config.yaml"))
    assert own.method.image == str(home / "cup.png")
    with caplog.at_level(logging.WARNING):
        assert load_method(str(folder / "config.yaml"), ["image=~/cup.png"]).method.output == "outputs"
    assert "is a folder of another host or user" in caplog.text


def test_a_link_does_not_lead_out_of_a_foreign_folder(home):
    folder = run_of(home, owner="someone else")
    (folder / "cup.png").symlink_to(home / "cup.png")
    text = (folder / "config.yaml").read_text().replace(str(home / "cup.png"), "cup.png")
    (folder / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"cup\.png lies outside"):
        data_path(method=str(folder / "config.yaml"))
    (folder / "cup.png").unlink()
    Image.open(home / "cup.png").save(folder / "cup.png")
    assert data_path(method=str(folder / "config.yaml")) == str(folder / "cup.png")


def test_a_file_of_a_plugin_stays_in_its_folder_of_configs(home, monkeypatch):
    monkeypatch.setattr("maquette.plugins.config_folders", lambda: {home / "plugin": "acme"})
    (home / "plugin" / "methods").mkdir(parents=True)
    path = home / "plugin" / "methods" / "sly.yaml"
    path.write_text("extends: ../../methods/image.yaml\n")
    with pytest.raises(ConfigError, match=r"extends: \.\./\.\./methods/image\.yaml lies outside"):
        load_method("sly", ["image=cup.png"])
    path.write_text(METHOD.replace("picture: cup.png", "picture: ../../cup.png"))
    with pytest.raises(ConfigError, match=r"path: .*cup\.png lies outside"):
        load_method("sly")
    assert load_method("sly", ["image=cup.png"]).method.image == os.path.abspath("cup.png")


def test_methods_of_plugins_go_by_their_distribution_where_their_name_is_taken(home, monkeypatch, caplog):
    paths._warn_once.cache_clear()  # another test may have had the same clash
    folders = {home / "one": "acme", home / "two": "bolt"}
    monkeypatch.setattr("maquette.plugins.config_folders", lambda: folders)
    for folder in folders:
        (folder / "methods").mkdir(parents=True)
        (folder / "methods" / "mug.yaml").write_text("summary: a mug\n")
    (home / "one" / "methods" / "dreamfusion.yaml").write_text("summary: another\n")
    (home / "two" / "methods" / "cup.yaml").write_text("summary: a cup\n")
    assert {"acme/mug", "bolt/mug", "acme/dreamfusion", "dreamfusion", "cup"} <= set(paths.available("methods"))
    assert "method 'mug' is offered by plugins acme and bolt; say which: acme/mug or bolt/mug" in caplog.text
    assert "method 'dreamfusion' of acme is maquette's; write acme/dreamfusion" in caplog.text

    def find(name: str) -> str:
        return str(paths.find_config(name, "methods", "method"))

    with pytest.raises(ConfigError, match="method 'mug' is of plugins acme and bolt; write acme/mug or bolt/mug"):
        find("mug")
    assert find("bolt/mug") == str(home / "two" / "methods" / "mug.yaml")
    assert find("acme/dreamfusion") == str(home / "one" / "methods" / "dreamfusion.yaml")
    assert find("cup") == find("bolt/cup") == str(home / "two" / "methods" / "cup.yaml")
    assert find("maquette/dreamfusion") == find("dreamfusion")


@pytest.mark.parametrize(
    ("method", "word", "key"),
    [(TEXT, "output=a\0b", "output"), (METHOD, "image=a\0b", "stages.fit.data.path")],
)
def test_a_path_with_the_character_0_is_named(method, word, key, tmp_path):
    (tmp_path / "m.yaml").write_text(method)
    with pytest.raises(ConfigError, match=rf"{key}: a path has no character U\+0000"):
        load_method(str(tmp_path / "m.yaml"), [word])


@pytest.mark.parametrize("words", [("dreamfusion", ["prompt=x", "prior=$NOPE/prior.yaml"]), ("$NOPE/m.yaml", [])])
def test_a_file_by_a_variable_that_is_not_set_is_refused_in_one_line(words, monkeypatch):
    monkeypatch.delenv("NOPE", raising=False)
    with pytest.raises(ConfigError, match=r"\$NOPE/.*: the environment variable NOPE is not set"):
        load_method(*words)
