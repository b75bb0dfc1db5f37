"""Stand-ins for the prompt, picture and data of a method that is looked at without them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from maquette.config.loading import ResolvedConfig, load_method

FILES = ("image", "video")
FOLDERS = ("data", "dataset")


def load_with_stand_ins(method: str, overrides: Sequence[str], place: Path) -> ResolvedConfig:
    """The resolved method, with stand-ins for what it requires of its user and nothing gives.

    Args:
        method: a method's or recipe's name, or a YAML file.
        overrides: `key=value` words.
        place: an empty folder, for files and folders that nobody reads, called "(your image)" and so on.
    """
    stand_ins = {key: f"(your {key})" for key in ("prompt", *FILES, *FOLDERS)}
    for key in FILES:
        (place / stand_ins[key]).touch()
    for key in FOLDERS:
        (place / stand_ins[key]).mkdir(exist_ok=True)
    stand_ins |= {key: str(place / stand_ins[key]) for key in (*FILES, *FOLDERS)}
    folder = "training" if method.startswith("configs/training") else "methods"
    return load_method(method, overrides, folder, stand_ins=stand_ins)


def text_with_stand_ins(resolved: ResolvedConfig, place: Path) -> str:
    """The YAML of a method that was loaded with stand-ins, which are called "(your image)" and so on there."""
    return resolved.to_yaml().replace(f"{place}{os.sep}", "")
