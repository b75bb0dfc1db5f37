"""The local files of a method: those that its files name, and those that are given; which count, and where."""

import json

import pytest

from maquette import registry
from maquette.config.loading import load_method
from maquette.config.parts import UnreadPart, unread_parts
from maquette.errors import ConfigError, PluginError
from maquette.plugins.local import SOURCE, LocalParts

LOSS = '''
from dataclasses import dataclass
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register

@register("loss", "NAME")
class Mine(Loss):
    """What it does."""

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)
        power: float = 2.0

    def __call__(self, rendering, geometry):
        return (1 - rendering.rgb).mean() ** self.config.power
'''
METHOD = """
name: mine
plugins: [./parts/brightness.py]
stages:
  fit:
    type: optimise
    geometry: voxel-grid
    material: plain
    background: solid
    renderer: volume
    cameras: random-orbit
    losses: {brightness: {power: 3}}
"""
IMPORTED = LocalParts(imported=True)


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "parts").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "parts" / "brightness.py").write_text(LOSS.replace("NAME", "brightness"))
    (tmp_path / "contrast.py").write_text(LOSS.replace("NAME", "contrast"))
    (tmp_path / "mine.yaml").write_text(METHOD)
    monkeypatch.chdir(tmp_path / "elsewhere")
    yield tmp_path
    registry.forget_declared(lambda declaration: declaration.source != SOURCE)


def losses(resolved):
    return resolved.method.stages["fit"].config.losses


def test_a_run_imports_the_files_that_its_method_names(home):
    resolved = load_method(str(home / "mine.yaml"), local=IMPORTED)
    assert losses(resolved)["brightness"].config.power == 3
    assert resolved.plain["plugins"] == [str(home / "parts" / "brightness.py")]
    assert [file.path.name for file in resolved.local_files] == ["brightness.py"]


def test_without_a_run_a_local_part_is_taken_as_it_is_written(home):
    with open(home / "parts" / "brightness.py", "a") as file:
        file.write("raise SystemExit\n")
    resolved = load_method(str(home / "mine.yaml"))
    assert losses(resolved)["brightness"].cls is UnreadPart
    assert resolved.plain["stages"]["fit"]["losses"]["brightness"] == {"type": "brightness", "power": 3}
    assert unread_parts(resolved.method) == [
        "loss 'brightness' is a local part and not looked into: `maquette run` alone imports it"
    ]
    with pytest.raises(PluginError, match=r"loss 'brightness' is a part of a local file.* --parts FILE"):
        losses(resolved)["brightness"].build()
    assert "brightness" not in registry.names("loss")


def test_files_of_an_extended_method_and_of_the_command_line_count_as_well(home):
    (home / "more.yaml").write_text("extends: ./mine.yaml\nstages: {fit: {losses: {contrast: {}}}}\n")
    given = LocalParts(imported=True, extra=[home / "contrast.py"])
    assert set(losses(load_method(str(home / "more.yaml"), local=given))) == {"brightness", "contrast"}
    with pytest.raises(ConfigError, match=r"there is no loss called 'contrast' \(.*more\.yaml:2\)"):
        load_method(str(home / "more.yaml"), local=IMPORTED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            METHOD.replace("[./parts/brightness.py]", "mine.py"),
            r"plugins: plugins is a list of Python files.*mine\.yaml:3",
        ),
        (METHOD.replace("brightness.py", "none.py"), r"plugins: cannot read the local file .*none\.py: No such file"),
        (
            METHOD.replace("power: 3", "powre: 3"),
            r"losses\.brightness\.powre: unknown key .*mine\.yaml:12.*did you mean 'power'",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(home, text, message):
    (home / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_method(str(home / "mine.yaml"), local=IMPORTED)


def test_an_override_names_no_local_file(home):
    with pytest.raises(ConfigError, match=r"plugins: local files are named at the top of .*--parts FILE"):
        load_method(str(home / "mine.yaml"), ["plugins=[contrast.py]"], local=IMPORTED)


def test_a_plugins_method_names_no_local_file(home, monkeypatch):
    from maquette import plugins
    from maquette.plugins.discovery import Plugin

    hooks = plugins.Hooks(config_folders=[home])
    monkeypatch.setattr(plugins._state, "plugins", [Plugin("acme", "acme", "1.0", "acme", hooks=hooks)])
    with pytest.raises(ConfigError, match=r"plugins: this file is of plugin acme 1\.0, and names local files"):
        load_method(str(home / "mine.yaml"), local=IMPORTED)


def recorded_run(home, owner):
    """A run folder of the method, with a checkpoint, recorded by an owner."""
    resolved = load_method(str(home / "mine.yaml"), local=IMPORTED)
    folder = home / "run"
    (folder / "checkpoints" / "fit" / "1").mkdir(parents=True)
    (folder / "config.yaml").write_text(resolved.to_yaml())
    (folder / "manifest.json").write_text(json.dumps({"owner": owner}))
    return folder, {str(file.path): file.sha256 for file in resolved.local_files}


def test_anothers_run_needs_its_local_files_given(home):
    folder, recorded = recorded_run(home, "someone else")
    with pytest.raises(ConfigError, match=r"plugins: this run of another host or user .* --parts .*brightness\.py"):
        load_method(str(folder / "config.yaml"), local=IMPORTED)
    (home / "copy.py").write_text(LOSS.replace("NAME", "brightness"))
    given = LocalParts(True, [home / "copy.py"], recorded)
    assert load_method(str(folder / "config.yaml"), local=given).plain["plugins"] == [str(home / "copy.py")]


def test_a_run_is_looked_at_by_the_copies_of_its_local_files(home):
    folder, _ = recorded_run(home, "someone else")
    (folder / "parts").mkdir()
    (home / "parts" / "brightness.py").rename(folder / "parts" / "brightness.py")
    registry.forget_declared(lambda declaration: declaration.source != SOURCE)  # as in another process
    assert losses(load_method(str(folder / "config.yaml")))["brightness"].cls is UnreadPart


def test_a_file_that_has_changed_since_the_run_began_is_refused_before_it_is_imported(home):
    from maquette.config.paths import owner

    folder, recorded = recorded_run(home, owner())
    load_method(str(folder / "config.yaml"), local=LocalParts(True, (), recorded))
    file = home / "parts" / "brightness.py"
    text = file.read_text()
    file.write_text("raise SystemExit\n" + text)
    with pytest.raises(
        ConfigError, match=r"brightness\.py has changed since the run began; put it back, or start a new run"
    ):
        load_method(str(folder / "config.yaml"), local=LocalParts(True, (), recorded))
    (folder / "parts").mkdir()
    (folder / "parts" / "brightness.py").write_text(text)
    with pytest.raises(ConfigError, match=r"give its copy: --parts .*run/parts; or start a new run"):
        load_method(str(folder / "config.yaml"), local=LocalParts(True, (), recorded))
    file.unlink()
    with pytest.raises(ConfigError, match=r"No such file.*; give its copy: --parts .*run/parts"):
        load_method(str(folder / "config.yaml"), local=LocalParts(True, (), recorded))
    resolved = load_method(str(folder / "config.yaml"), local=LocalParts(True, [folder / "parts"], recorded))
    assert losses(resolved)["brightness"].config.power == 3
