"""Plugins are found by entry point; a broken one is named and skipped."""

import sys
from pathlib import Path

import pytest

from maquette import plugins, registry


def install(folder: Path, name: str, code: str) -> None:
    """A package as pip would leave it: a module and its dist-info."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[maquette.plugins]\n{name} = {name}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("goodplug", None)
    plugins.reload()


GOOD = """
from dataclasses import dataclass
from maquette.plugins import hookimpl
from maquette.scores.base import Score, noise_prediction_from

class Half(Score):
    'Half of the positive prediction.'
    @dataclass(frozen=True)
    class Config:
        pass
    @classmethod
    def capabilities(cls, config): return noise_prediction_from("positive")
    def combine(self, predictions): return predictions["positive"] / 2

@hookimpl
def maquette_parts():
    return [("score", "half", "goodplug:Half")]
"""


def test_a_plugin_brings_a_part(site):
    install(site, "goodplug", GOOD)
    plugins.reload()
    assert registry.get("score", "half").__name__ == "Half"
    assert registry.source("score", "half") == "goodplug"


def test_a_broken_plugin_is_named_and_the_others_work(site, caplog):
    install(site, "badplug", "raise RuntimeError('no such library')")
    install(site, "goodplug", GOOD)
    plugins.reload()
    assert "half" in registry.names("score")
    assert "no such library" in plugins.failures()["badplug"]
    assert "plugin badplug is skipped" in caplog.text


def test_a_plugin_can_be_disabled(site, monkeypatch):
    install(site, "goodplug", GOOD)
    monkeypatch.setenv("MAQUETTE_DISABLE_PLUGINS", "goodplug")
    plugins.reload()
    assert "half" not in registry.names("score")


def test_nano_is_installed_as_a_third_party_would_be():
    plugins.reload()
    assert "maquette-nano" in plugins.loaded().values()
    assert "nano-world" in registry.names("dataset")
