"""`SCHEME:PATH` is a method file of another program, which a plugin reads."""

import pytest
from typer.testing import CliRunner

from fake_plugins import MANIFEST, install
from maquette import plugins
from maquette.cli.app import app
from maquette.config.loading import load_method
from maquette.errors import ConfigError, PluginError

PLUGIN = """
from maquette.loaded import Loaded

def read(path):
    "One line: steps and a prior; a second is left out."
    first, *rest = path.read_text().splitlines()
    steps, losses = first.split()
    stage = {
        "type": "optimise", "geometry": "voxel-grid", "material": "plain", "background": "solid", "renderer": "volume",
        "cameras": "random-orbit", "losses": {losses: {}}, "steps": int(steps),
    }
    return Loaded({"stages": {"fit": stage}}, "method", "alien", used=("steps",), ignored=tuple(rest))

def register(hooks):
    hooks.reader("alien", read)
    hooks.reader("empty", lambda path: {})
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    install(tmp_path, "acmealien", MANIFEST + 'register = "acmealien.plugin:register"\n', {"plugin.py": PLUGIN})
    plugins.reload()
    (tmp_path / "ship.txt").write_text("70 opacity\nwarp drive")
    yield tmp_path
    monkeypatch.undo()
    plugins.reload()


@pytest.mark.parametrize("scheme", ["alien", "acmealien/alien"])
def test_a_foreign_file_is_a_method(site, caplog, scheme):
    resolved = load_method(f"{scheme}:ship.txt", ["prompt=x", "stages.fit.cameras.size=32"])
    assert resolved.method.name == "ship" and resolved.method.stages["fit"].config.steps == 70
    assert resolved.origin("stages.fit.steps").text == "ship.txt"
    assert "ship.txt: not read: warp drive" in caplog.text


def test_what_is_wrong_in_a_foreign_file_names_it(site):
    (site / "ship.txt").write_text("70 opaqity")
    with pytest.raises(ConfigError, match=r"there is no loss called 'opaqity' \(ship\.txt\); did you mean 'opacity'"):
        load_method("alien:ship.txt")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("alein:ship.txt", ConfigError, r"no plugin that reads alein: files; did you mean 'alien:'"),
        ("alien:none.txt", ConfigError, r"there is no such file: none\.txt"),
        (
            "empty:ship.txt",
            PluginError,
            r"reader 'empty' of plugin acmealien 1\.0 gives no .*Loaded of a mapping, but dict",
        ),
        (
            "alien:torn.txt",
            PluginError,
            r"reader 'alien' of plugin .* fails on torn\.txt: ValueError: .*plugin\.py:7\)",
        ),
    ],
)
def test_what_cannot_be_read_is_named(site, name, kind, message):
    (site / "torn.txt").write_text("70")
    with pytest.raises(kind, match=message):
        load_method(name)


def test_inspect_prints_what_of_a_foreign_file_is_used(site):
    result = CliRunner().invoke(app, ["inspect", "alien:ship.txt"])
    assert result.exit_code == 0 and "warp drive" in result.output and "steps" in result.output
