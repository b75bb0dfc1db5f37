"""Plugins are discovered by entry point, declared by their manifests, and not imported before a part is used."""

import importlib
import sys

import pytest

from fake_plugins import HALF, MANIFEST, install, part
from maquette import plugins, registry
from maquette.cli.plugin_commands import print_plugins
from maquette.errors import ConfigError
from maquette.testing.targets import find_targets

DECORATED = "from maquette.registry import register\n" + HALF.replace(
    "class Half", '@register("score", "half")\nclass Half'
)


def test_a_plugin_brings_a_part_which_is_imported_when_it_is_used(site):
    install(site, "acme")
    plugins.reload()
    assert registry.summary("score", "half") == "what it does"
    assert "acme" not in sys.modules
    assert registry.get("score", "half").__name__ == "Half"
    assert registry.source("score", "half") == "acme"


def test_a_distribution_and_the_name_of_a_part_always_name_it(site):
    install(site, "acme", distribution="acme-scores")
    plugins.reload()
    assert registry.get("score", "acme-scores/half") is registry.get("score", "half")
    assert registry.get("score", "maquette/cfg") is registry.get("score", "cfg")


def test_a_part_that_two_plugins_offer_goes_by_neither(site, caplog):
    install(site, "acme")
    install(site, "bolt")
    plugins.reload()
    assert "score 'half' is offered by plugins acme and bolt; say which: acme/half or bolt/half" in caplog.text
    assert {"acme/half", "bolt/half"} <= set(registry.names("score"))
    with pytest.raises(registry.UnknownPartError, match=r"acme and bolt both offer .* write acme/half or bolt/half"):
        registry.get("score", "half")
    assert registry.get("score", "bolt/half").__module__ == "bolt.half"


def test_a_part_with_the_name_of_a_built_in_one_goes_by_its_distribution(site, caplog):
    install(site, "acme", MANIFEST + part("score", "cfg", "acme.half:Half"))
    plugins.reload()
    assert "score 'cfg' of plugin acme 1.0 has the name of a built-in part; it goes by acme/cfg" in caplog.text
    assert registry.get("score", "cfg").__module__ == "maquette.scores.cfg"
    assert registry.get("score", "acme/cfg").__module__ == "acme.half"
    assert "acme/cfg" in registry.names("score")


def test_one_entry_point_of_two_distributions_displaces_neither(site, caplog):
    install(site, "acme", distribution="evil", entry="nano")
    plugins.reload()
    assert {"evil", "maquette-nano"} <= {plugin.distribution for plugin in plugins.installed()}
    assert "entry point 'nano' is of evil 1.0 and maquette-nano" in caplog.text
    assert registry.sources("dataset", "nano-world") == ["maquette-nano"]


@pytest.mark.parametrize(
    ("value", "names"), [("none", set()), ("only:nano", {"maquette-nano"}), ("only: acme ,", {"acme"})]
)
def test_a_variable_chooses_the_plugins(site, monkeypatch, value, names):
    install(site, "acme")
    monkeypatch.setenv("MAQUETTE_PLUGINS", value)
    plugins.reload()
    assert {plugin.distribution for plugin in plugins.installed()} == names


def test_a_plugin_that_the_variable_names_and_is_not_there_is_said(site, monkeypatch, caplog):
    install(site, "acme")
    monkeypatch.setenv("MAQUETTE_PLUGINS", "only:acne")
    plugins.reload()
    assert "there is no plugin called 'acne'; did you mean 'acme'?" in caplog.text


def test_another_value_of_the_variable_is_refused(site, monkeypatch):
    monkeypatch.setenv("MAQUETTE_PLUGINS", "acme")
    with pytest.raises(ConfigError, match="MAQUETTE_PLUGINS is none, or only:NAME,NAME, and not 'acme'"):
        plugins.reload()


def test_what_a_plugin_had_registered_when_it_failed_is_not_there(site):
    code = "def register(hooks):\n    hooks.weights('mug', '.')\n    hooks.configs('.')\n    raise ValueError"
    register = 'register = "acme.plugin:register"\n' + part("score", "half", "acme.half:Half")
    install(site, "acme", MANIFEST + register, {"plugin.py": code})
    plugins.reload()
    assert "acme" in plugins.failures()
    assert plugins.find_weights("mug") is None and "acme" not in plugins.config_folders().values()
    assert "half" not in registry.names("score")


def test_two_entry_points_of_one_distribution_are_read_once(site, caplog):
    install(site, "acme")
    entry_points = site / "acme-1.0.dist-info" / "entry_points.txt"
    entry_points.write_text(entry_points.read_text() + "other = acme\n")
    plugins.reload()
    assert "names its package acme by two entry points, 'acme' and 'other'; the second is left out" in caplog.text
    assert registry.sources("score", "half") == ["acme"]


def test_a_part_that_two_packages_of_one_distribution_declare_is_declared_once(site, caplog):
    install(site, "acme")
    install(site, "bolt", distribution="other")
    (site / "acme-1.0.dist-info" / "entry_points.txt").write_text("[maquette.plugins]\na = acme\nb = bolt\n")
    (site / "other-1.0.dist-info" / "entry_points.txt").unlink()
    plugins.reload()
    assert "plugin acme 1.0 is skipped: acme declares score 'half' twice" in caplog.text
    assert registry.get("score", "half").__module__ == "acme.half"


def test_a_damaged_dist_info_ends_nothing(site):
    install(site, "acme")
    (site / "acme-1.0.dist-info" / "METADATA").write_bytes(b"\xff\xfe")
    plugins.reload()
    assert "half" in registry.names("score")


@pytest.mark.parametrize("line", ["bad", "bad = !!"])
def test_damaged_entry_points_of_another_distribution_are_left_out(site, line):
    install(site, "acme")
    (site / "other-1.0.dist-info").mkdir()
    (site / "other-1.0.dist-info" / "METADATA").write_text("Name: other\nVersion: 1.0\n")
    (site / "other-1.0.dist-info" / "entry_points.txt").write_text(f"[maquette.plugins]\n{line}\n")
    plugins.reload()
    assert "acme" in plugins.loaded().values()


def test_the_targets_of_a_check_are_known_without_running_the_plugin(site):
    code = f"def register(hooks):\n    open({str(site / 'witness')!r}, 'w').close()"
    text = MANIFEST + 'register = "acme.plugin:register"\n' + part("score", "half", "acme.half:Half")
    install(site, "acme", text, {"plugin.py": code})
    assert [(target.kind, target.name) for target in find_targets("acme")] == [("score", "half")]
    assert not (site / "witness").exists()


def test_brackets_in_the_reason_why_a_plugin_is_skipped_are_printed(site, capsys):
    code = "def register(hooks):\n    raise ValueError('no file in [/tmp/x] and [red]')"
    text = MANIFEST + 'register = "acme.plugin:register"\n' + part("score", "half", "acme.half:Half")
    install(site, "acme", text, {"plugin.py": code})
    plugins.reload()
    print_plugins()
    assert "[/tmp/x]" in "".join(capsys.readouterr().out.split()).replace("\n", "")


def test_a_typer_app_without_a_command_is_refused(site):
    code = "import typer\ndef register(hooks):\n    hooks.command('empty', typer.Typer())"
    text = MANIFEST + 'register = "acme.plugin:register"\n' + part("score", "half", "acme.half:Half")
    install(site, "acme", text, {"plugin.py": code})
    plugins.reload()
    assert "without a command" in plugins.failures()["acme"]


def test_a_class_that_is_also_decorated_is_one_part(site):
    install(site, "acme", files={"half.py": DECORATED})
    plugins.reload()
    assert registry.get("score", "half").part_name == "half"
    assert registry.sources("score", "half") == ["acme"]


def test_a_module_that_was_imported_before_the_plugins_is_no_built_in_part(site, caplog):
    install(site, "acme", files={"half.py": DECORATED})
    importlib.import_module("acme.half")
    plugins.reload()
    assert "built-in" not in caplog.text
    assert registry.sources("score", "half") == ["acme"] and registry.source("score", "half") == "acme"


def test_nano_is_installed_as_a_third_party_would_be():
    assert "maquette-nano" in plugins.loaded().values()
    assert "nano-world" in registry.names("dataset")


def test_what_nanos_manifest_says_of_a_part_is_what_its_class_says():
    for plugin in plugins.installed():
        for entry in plugin.manifest.parts if plugin.distribution == "maquette-nano" else ():
            assert registry.get(entry.kind, entry.name).__doc__.split("\n")[0] == entry.summary
