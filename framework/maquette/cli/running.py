"""The start of a run, a trial or a sweep, for the commands `maquette run` and `maquette train`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maquette.cli.outcome import print_outcome
from maquette.cli.plan import dry_run
from maquette.cli.sweep import print_sweep
from maquette.cli.view import HOST, PORT, keep_serving, viewer
from maquette.cli.warm_up import start_in_background
from maquette.errors import ConfigError
from maquette.files import allowing

if TYPE_CHECKING:
    from maquette.viewer.live import LiveViewer


@dataclass(frozen=True)
class RunOptions:
    """The options of a command that runs a method or a recipe.

    Args:
        view, host, port: whether and where a viewer serves the run.
        allow: folders into which paths of foreign files may lead.
        parts: Python files with local parts.
        dry_run: try a step of each stage, and keep nothing.
        sweep: commas in the words separate values.
        prompts: a file of prompts, or `lib:NAME`; "": none.
        jobs: runs of a sweep at a time.
        name: of a sweep's folder; "": made of the method and the keys.
    """

    view: bool = False
    host: str = HOST
    port: int = PORT
    allow: Sequence[Path] = ()
    parts: Sequence[Path] = ()
    dry_run: bool = False
    sweep: bool = False
    prompts: str = ""
    jobs: int = 1
    name: str = ""


def start(name: str, words: Sequence[str], folder: str, options: RunOptions) -> None:
    """Run what a config describes, try it, or run a sweep of it.

    Args:
        name: of a file of `configs/<folder>`, or a YAML file.
        words: `key=value` words over it.
        folder: "methods" or "training".

    Raises:
        ConfigError: an option is for a single run, or for a sweep, and this is none.
    """
    if options.sweep or options.prompts:
        _sweep(name, words, folder, options)
        return
    if options.jobs > 1 or options.name:
        raise ConfigError("--jobs and --name are for sweeps", hint="add --sweep or --prompts")
    with viewer(options.view, options.host, options.port) as live:
        _run(name, words, folder, options, live)


def _sweep(name: str, words: Sequence[str], folder: str, options: RunOptions) -> None:
    from maquette.config.paths import find_config

    single = {"--allow": options.allow, "--dry-run": options.dry_run, "--view": options.view}
    for option in (option for option, value in single.items() if value):
        raise ConfigError(f"{option} is for a single run", hint="leave it out, or run the method without --sweep")
    method = name if folder == "methods" else str(find_config(name, folder, "config"))
    print_sweep(method, words, options.prompts, options.sweep, options.jobs, options.name, options.parts)


def _run(name: str, words: Sequence[str], folder: str, options: RunOptions, live: LiveViewer | None) -> None:
    from maquette.config.loading import load_method
    from maquette.plugins.local import LocalParts

    with allowing(options.allow):
        if not options.dry_run:
            start_in_background(name, list(words))
        resolved = load_method(name, words, folder, local=LocalParts(True, options.parts))
        if options.dry_run:
            dry_run(resolved)
            return
        from maquette.pipeline import run_method

        path = run_method(resolved, observer=live)
        print_outcome(path)
    if live is not None:
        keep_serving(live, path)
