"""What the nano world brings beyond its parts: configs and weights."""

from __future__ import annotations

from pathlib import Path

from maquette.plugins import Hooks

HERE = Path(__file__).parent


def register(hooks: Hooks) -> None:
    """The suites of the nano world, and every folder under `weights/` by its name."""
    hooks.configs(HERE / "configs")
    for path in sorted((HERE / "weights").glob("*")):
        if path.is_dir():
            hooks.weights(path.name, path)
