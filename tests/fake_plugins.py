"""Plugins as pip leaves them: a package with its manifest, and a dist-info folder, on a folder of sys.path."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

MANIFEST = """
schema = 1
api = ">=1,<2"
"""
PART = """
[[parts]]
kind = "{kind}"
name = "{name}"
target = "{target}"
summary = "{summary}"
"""
HALF = '''
from dataclasses import dataclass
from maquette.scores.base import Score, noise_prediction_from

class Half(Score):
    """Half of the positive prediction."""
    @dataclass(frozen=True)
    class Config:
        share: float = 0.5
    @classmethod
    def capabilities(cls, config): return noise_prediction_from("positive")
    def combine(self, predictions): return predictions["positive"] * self.config.share
'''
"""The source of a score that works."""
LOSS = '''
from __future__ import annotations
from dataclasses import dataclass
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register

@register("loss", "brightness")
class Brightness(Loss):
    """Brightness: the mean of 1 - rgb over all pixels."""

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)

    def __call__(self, rendering, geometry):
        return (1 - rendering.rgb).mean()
'''
"""The source of a local file with a loss."""


def part(kind: str, name: str, target: str, summary: str = "what it does") -> str:
    """The table of a part in a manifest."""
    return PART.format(kind=kind, name=name, target=target, summary=summary)


def install(
    site: Path,
    package: str,
    manifest: str | None = None,
    files: Mapping[str, str] | None = None,
    distribution: str | None = None,
    entry: str | None = None,
) -> Path:
    """Install version 1.0 of a plugin.

    Args:
        site: a folder of sys.path.
        package: its importable name.
        manifest: text of maquette-plugin.toml; None: a score `half`.
        files: path below the package -> text; __init__.py is empty where it is not given.
        distribution: its name for pip; None: that of the package.
        entry: name of its entry point; None: that of the package.

    Returns:
        The folder of the package.
    """
    folder, distribution = site / package, distribution or package
    default = {"__init__.py": "", "half.py": HALF}
    text = MANIFEST + part("score", "half", f"{package}.half:Half") if manifest is None else manifest
    for name, content in {**default, **(files or {}), "maquette-plugin.toml": text}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content))
    info = site / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[maquette.plugins]\n{entry or package} = {package}\n")
    return folder
