"""The command `maquette list`: methods, suites, the parts of a kind, and the files that are chosen by its name."""

from __future__ import annotations

import json
import logging
from typing import Annotated, Any

import typer

from maquette.cli import completion

_log = logging.getLogger(__name__)

FILES = {"": "methods", "method": "methods", "suite": "suites", "recipe": "training"}
"""What config files are called -> their folder."""


def list_(
    kind: Annotated[
        str,
        typer.Argument(
            help="methods, suites, recipes, or a kind of part such as losses", autocompletion=completion.kinds
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON with stable keys")] = False,
) -> None:
    """List methods, suites, recipes or the parts of one kind: what each does, and what it goes together with.

    maquette list

    maquette list losses
    """
    from maquette import plugins, registry

    plugins.load()
    singular = _singular(kind)
    if singular in FILES:
        entries: dict[str, Any] = {FILES[singular]: _files(FILES[singular])}
        if kind == "":
            entries["parts"] = {name: registry.names(name) for name in registry.KINDS}
    else:
        entries = {singular: [_part(singular, name) for name in registry.names(singular)]}
        if choices := _choices(singular):
            entries["choices"] = {f"{singular}=": choices}
    if as_json:
        typer.echo(json.dumps(entries, indent=1, ensure_ascii=False))
    else:
        _print(entries)


def _singular(kind: str) -> str:
    """The kind that a word names, in singular or plural."""
    from maquette.errors import ConfigError, did_you_mean
    from maquette.registry import FOLDERS, KINDS

    plurals = {"methods": "method", "suites": "suite", "recipes": "recipe"}
    singular = FOLDERS.get(kind) or plurals.get(kind) or (kind if kind in KINDS else kind.removesuffix("s"))
    if singular in KINDS or singular in FILES:
        return singular
    available = [*plurals, *KINDS]
    hint = did_you_mean(kind, [*available, *FOLDERS])
    raise ConfigError(f"there is nothing called {kind!r} to list", hint=f"{hint}known: {', '.join(available)}")


def _files(folder: str) -> list[dict[str, str]]:
    from maquette import plugins
    from maquette.config import paths
    from maquette.config.origins import UNREADABLE, top_level_text
    from maquette.files import display_path

    own, files = paths.built_in_roots(), []
    for name, path in paths.available(folder).items():
        summary, owner, plugin = top_level_text(path, "summary"), "maquette", None
        if path.parents[1] not in own:
            plugin = plugins.owner_of(path)
            owner = plugin.title if plugin else display_path(path.parents[1])
        if summary.startswith(UNREADABLE):
            _log.warning("%s: %s", f"plugin {owner}" if plugin else owner, summary)
        files.append({"name": name, "summary": summary, "owner": owner})
    return files


def _choices(kind: str) -> list[str]:
    """Config files that are chosen by the kind's name, such as `prior=sd15`."""
    from maquette.config import paths

    return list(paths.available(paths.group_folder(kind)))


def _part(kind: str, name: str) -> dict[str, Any]:
    from maquette import registry
    from maquette.config.fits import fitting_parts
    from maquette.plugins.needs import needs_words

    declared = registry.declaration(kind, name)
    entry = {"name": name, "summary": registry.summary(kind, name), "owner": registry.source(kind, name)}
    needs = needs_words(declared.needs) if declared is not None else ""
    return entry | {"fits": fitting_parts(kind, name), "needs": needs}


def _print(entries: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, rows in entries.items():
        table = Table(box=None, pad_edge=False)
        if isinstance(rows, dict):
            for kind, names in rows.items():
                table.add_row(kind, ", ".join(names) or "-")
        else:
            foreign = any(row["owner"] != "maquette" for row in rows)
            table.add_column({"methods": "method", "suites": "suite", "training": "recipe"}.get(title, title))
            table.add_column("what it does")
            if foreign:
                table.add_column("from")
            for row in rows:
                lines = [text for text in (row["summary"], fit_words(row.get("fits")), row.get("needs")) if text]
                table.add_row(row["name"], "\n".join(lines), *([row["owner"]] if foreign else []))
        console.print(table, markup=False)


def fit_words(fits: dict[str, list[str]] | None) -> str:
    """What a part goes together with, in words; "" if that is everything, or if the rules know nothing of its kind."""
    from maquette import registry

    plural = {kind: folder for folder, kind in registry.FOLDERS.items()}
    words = "; ".join(f"{plural[kind]} {_shorter(names, registry.names(kind))}" for kind, names in (fits or {}).items())
    return f"goes with {words}" if words else ""


def _shorter(names: list[str], all_names: list[str]) -> str:
    """Names, or those that are missing of all where these are fewer."""
    missing = [name for name in all_names if name not in names]
    listed = f"all but {', '.join(missing)}" if len(missing) < len(names) else ", ".join(names)
    return listed or "none"
