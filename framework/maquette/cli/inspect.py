"""Printing of what was read of a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import typer


def print_account(account: Mapping[str, Any], as_json: bool) -> None:
    """Print an account as JSON, or as a table for people."""
    if as_json:
        typer.echo(json.dumps(account, indent=1, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in account.items():
        table.add_row(key.replace("_", " "), _show(value))
    Console().print(table, markup=False)


def _show(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_show(item)}" for key, item in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        separator = "\n" if any(isinstance(item, (Mapping, str)) for item in value) else " "
        return separator.join(_show(item) for item in value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None or value == "" else str(value)
