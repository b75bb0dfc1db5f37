"""What the nano world brings beyond its parts: configs, weights and a command."""

from __future__ import annotations

from pathlib import Path

from maquette.plugins import Hooks
from maquette_nano.object_files import nano_objects

HERE = Path(__file__).parent


def register(hooks: Hooks) -> None:
    """The suites of the nano world, every folder under `weights/` by its name, and `maquette nano-objects`."""
    hooks.command("nano-objects", nano_objects)
    hooks.configs(HERE / "configs")
    for path in sorted((HERE / "weights").glob("*")):
        if path.is_dir():
            hooks.weights(path.name, path)
