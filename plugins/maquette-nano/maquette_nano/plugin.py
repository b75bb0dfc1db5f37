"""The plugin hooks: data sets, configs and weights of the nano world."""

from __future__ import annotations

from pathlib import Path

from maquette.plugins import hookimpl

HERE = Path(__file__).parent


@hookimpl
def maquette_parts() -> list[tuple[str, str, str]]:
    """The nano world: data sets of renders, views, depth with normals and volumes; objects as truth."""
    return [
        ("dataset", "nano-world", "maquette_nano.dataset:NanoWorld"),
        ("dataset", "nano-pairs", "maquette_nano.pairs:NanoPairs"),
        ("dataset", "nano-groups", "maquette_nano.groups:NanoGroups"),
        ("dataset", "nano-geometry", "maquette_nano.geometry:NanoGeometry"),
        ("dataset", "nano-volumes", "maquette_nano.volumes:NanoVolumes"),
        ("dataset", "nano-six-views", "maquette_nano.six_views:NanoSixViews"),
        ("truth", "nano-object", "maquette_nano.truth:NanoTruth"),
    ]


@hookimpl
def maquette_configs() -> Path:
    """The suites of the nano world."""
    return HERE / "configs"


@hookimpl
def maquette_weights() -> dict[str, Path]:
    """Every folder under `weights/`, by its name."""
    return {path.name: path for path in sorted((HERE / "weights").glob("*")) if path.is_dir()}
