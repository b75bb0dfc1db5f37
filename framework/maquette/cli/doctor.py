"""The command `maquette doctor`: devices, kernel backends and why, plugins, optional packages."""

from __future__ import annotations

from importlib.util import find_spec

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from maquette import plugins, registry
from maquette.kernels.backends import describe
from maquette.plugins.needs import missing_here, needs_words
from maquette.training.manifest import machine, versions

OPTIONAL = {
    "wandb": "tracking in W&B",
    "triton": "kernels on CUDA; comes with PyTorch's CUDA builds",
    "gsplat": "Gaussians on CUDA, when named",
    "nvdiffrast": "rasterisation on CUDA, when named; non-commercial licence",
}


def print_report() -> int:
    """Print the report; returns 1 when a plugin is broken, else 0."""
    console = Console()
    facts = _table("machine", "")
    for name, value in {**versions(), **machine()}.items():
        facts.add_row(name, str(value))
    kernels = _table("kernel", "device", "backend", "because")
    for row in describe():
        kernels.add_row(row.kernel, row.device, row.backend, row.reason)
    packages = _table("optional package", "installed", "for")
    for name, purpose in OPTIONAL.items():
        packages.add_row(name, "yes" if find_spec(name) else "no", purpose)
    plugin_states = _table("plugin", "state")
    for name, distribution in plugins.loaded().items():
        plugin_states.add_row(f"{name} ({distribution})", "works")
    for distribution, reason in plugins.failures().items():
        plugin_states.add_row(distribution, escape(f"skipped: {reason}"))
    weights = _table("weights", "where")
    for name, path in plugins.weights().items():
        weights.add_row(name, str(path))
    needs = _table("part", "needs", "here")
    for declared in registry.declarations():
        if words := needs_words(declared.needs):
            missing = missing_here(declared.needs)
            needs.add_row(f"{declared.kind}/{declared.name}", words[6:], f"no: {missing}" if missing else "yes")
    for table in (facts, kernels, packages, plugin_states, weights, *([needs] if needs.row_count else [])):
        console.print(table)
        console.print()
    return 1 if plugins.failures() else 0


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table
