"""A plugin converts what maquette's own conversions do not."""

import pytest
from coloured_ball import field_ball

from maquette import plugins
from maquette.conversions import convert
from maquette.errors import ConfigError
from maquette.randomness import Draws

OFFERS = {("field", "voxel-grid"): [("acme", "acme_convert:fill")]}


def test_a_conversion_of_a_plugin_is_imported_and_applied(tmp_path, monkeypatch):
    (tmp_path / "acme_convert.py").write_text("def fill(source, target, draws): target.geometry.grid.data.fill_(7)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(plugins, "conversions", lambda: OFFERS)
    source, target = field_ball(3), field_ball(4)
    convert(source, target, Draws(0, 0))
    assert (target.geometry.grid == 7).all()


def test_a_conversion_of_two_plugins_is_refused_with_both(monkeypatch):
    twice = {("field", "voxel-grid"): [*OFFERS["field", "voxel-grid"], ("bolt", "bolt.convert:fill")]}
    monkeypatch.setattr(plugins, "conversions", lambda: twice)
    with pytest.raises(ConfigError, match="plugins acme and bolt both convert a field to a voxel-grid; choose one: "):
        convert(field_ball(3), field_ball(4), Draws(0, 0))


def test_a_refusal_names_what_plugins_can_do(monkeypatch):
    monkeypatch.setattr(plugins, "conversions", lambda: {("field", "jelly"): [("acme", "acme.convert:set")]})
    with pytest.raises(ConfigError, match=r"a field cannot become a voxel-grid.*dmtet.*jelly.*mesh"):
        convert(field_ball(3), field_ball(4), Draws(0, 0))
