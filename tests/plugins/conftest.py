"""A folder of sys.path for plugins of a test, forgotten when it ends."""

import sys

import pytest

from maquette import plugins
from maquette.config import paths


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    paths._warn_once.cache_clear()  # another test may have warned of the same
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    monkeypatch.undo()
    plugins.reload()
