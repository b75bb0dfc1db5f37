"""What this plugin adds to maquette beyond its part: a folder of configs."""

from pathlib import Path
from typing import Any


def register(hooks: Any) -> None:
    """Called by maquette once, with an object that has one method for each hook."""
    hooks.configs(Path(__file__).parent / "configs")
