"""A good part of every kind, as `maquette plugin new` writes it."""

import importlib.util
import sys
from collections.abc import Callable
from functools import cache

import pytest

from maquette import registry
from maquette.testing.scaffold import part_source


@pytest.fixture(scope="session")
def good(tmp_path_factory) -> Callable[[str], type]:
    """Kind -> class of a part that conforms; it is not registered."""
    folder = tmp_path_factory.mktemp("parts")

    @cache
    def load(kind: str) -> type:
        file = folder / f"good_{kind}.py"
        file.write_text(part_source(f"good-{kind}", kind))
        spec = importlib.util.spec_from_file_location(file.stem, file)
        module = sys.modules[file.stem] = importlib.util.module_from_spec(spec)
        with registry.collecting():
            spec.loader.exec_module(module)
        return getattr(module, f"Good{kind.capitalize()}")

    return load
