"""Commands that plugins add, and `maquette plugin list`."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from maquette.cli.errors import exit_with_errors


class PluginGroup(TyperGroup):
    """The commands of maquette and, after them, those of plugins, which are loaded when one is named or all listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands."""
        return [*super().list_commands(ctx), *sorted(self._offers().listed())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, or of `distribution/name`."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        added = exit_with_errors(lambda: self._offers().find(cmd_name))()
        return None if added is None else _click_command(cmd_name, added)

    def _offers(self) -> Any:
        from maquette import plugins

        return exit_with_errors(plugins.commands)(self.commands)


def _click_command(name: str, added: Any) -> Any:
    """A plugin's typer app or function as a command that ends as maquette's do."""
    app = added
    if not isinstance(added, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(name)(added)
    command: Any = typer.main.get_command(app)
    command.name = name
    command.invoke = exit_with_errors(command.invoke)
    return command


def print_plugins() -> None:
    """Print each plugin with what it brings, or why it is skipped."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from maquette import plugins

    table = Table("plugin", "distribution", "brings", box=None, pad_edge=False)
    for plugin in plugins.installed():
        state = f"skipped: {plugin.failure}" if plugin.failure else _brings(plugin)
        table.add_row(*map(escape, (plugin.name, plugin.title, state)))
    Console().print(table)


def _brings(plugin: Any) -> str:
    hooks = plugin.hooks
    counts = {
        "part": len(plugin.manifest.parts), "config folder": len(hooks.config_folders),
        "weights": len(hooks.weight_folders), "command": len(hooks.commands), "reader": len(hooks.readers),
        "kernel backend": len(hooks.kernel_backends), "conversion": len(hooks.conversions),
    }  # fmt: skip
    words = [f"{count} {what}{'s' * (count > 1 and what != 'weights')}" for what, count in counts.items() if count]
    return ", ".join(words) or "nothing"
