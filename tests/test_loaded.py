"""The account that readers give of a file."""

from __future__ import annotations

import logging

import pytest

from maquette.loaded import Loaded


def test_unwrapping_logs_what_was_not_read_and_each_warning(caplog: pytest.LogCaptureFixture) -> None:
    loaded = Loaded(7, "mesh", "obj", ignored=("curves", "groups"), warnings=("quad.mtl is not beside it",))
    with caplog.at_level(logging.WARNING):
        assert loaded.unwrap("quad.obj") == 7
    assert [record.getMessage() for record in caplog.records] == [
        "quad.obj: not read: curves, groups",
        "quad.obj: quad.mtl is not beside it",
    ]


def test_the_account_has_the_facts_beside_what_was_used() -> None:
    loaded = Loaded(None, "picture", "png", used=("alpha",), facts={"width": 3})
    assert loaded.account() == {
        "kind": "picture", "format": "png", "used": ["alpha"], "ignored": [], "warnings": [], "width": 3,
    }  # fmt: skip
