"""The command line, e.g. `maquette run magic123 image=teddy.png prior=sd15`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from maquette import __version__
from maquette.cli.clean import clean
from maquette.cli.compare import compare
from maquette.cli.export import export
from maquette.cli.list import list_
from maquette.cli.measure import measure
from maquette.cli.messages import show_messages
from maquette.cli.outcome import print_outcome
from maquette.cli.report import report
from maquette.cli.resume import resume
from maquette.cli.sample import sample
from maquette.cli.sweep import print_sweep
from maquette.errors import ConfigError, MaquetteError
from maquette.files import allowing

app = typer.Typer(
    name="maquette",
    help='3D objects and scenes out of diffusion priors.\n\nStart with: maquette run dreamfusion prompt="a red mug"',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
plugin_app = typer.Typer(help="Look at installed plugins.", no_args_is_help=True)
app.add_typer(plugin_app, name="plugin")

INTERRUPTED = 130
"""Exit code after Ctrl-C, 128 + SIGINT."""
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="key=value words that override the config, e.g. seed=1; ~key removes one, e.g. ~stages.export"),
]
Allowed = Annotated[
    list[Path] | None,
    typer.Option("--allow", help="a folder into which the paths of a plugin's file or another user's run may lead"),
]


def _exit_with_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print a MaquetteError or an interruption as one line, and exit with its code."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except MaquetteError as problem:
            if os.environ.get("MAQUETTE_DEBUG"):
                raise
            typer.secho(f"error: {problem}", fg="red", err=True)
            raise typer.Exit(problem.exit_code) from None
        except KeyboardInterrupt as problem:
            typer.secho(str(problem) or "interrupted", err=True)
            raise typer.Exit(getattr(problem, "exit_code", INTERRUPTED)) from None

    return wrapped


@app.command()
@_exit_with_errors
def run(
    method: Annotated[str, typer.Argument(help="a method's name (see `maquette list methods`), or a YAML file")],
    overrides: Overrides = None,
    allow: Allowed = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="commas separate values, e.g. seed=0,1: each combination is run")
    ] = False,
    prompts: Annotated[
        str, typer.Option("--prompts", help="a file with one prompt a line, or lib:NAME: each prompt is run")
    ] = "",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="of a sweep: runs at a time")] = 1,
    name: Annotated[
        str, typer.Option("--name", help="of a sweep's folder in outputs/sweeps [made of method and keys]")
    ] = "",
) -> None:
    """Run a method, or a sweep of one.

    maquette run dreamfusion prompt="a red mushroom with white dots"

    maquette run dreamfusion prompt="a green house" seed=3 stages.nerf.steps=400

    maquette run dreamfusion --prompts lib:nano seed=0,1 --sweep --jobs 2
    """
    if sweep or prompts:
        if allow:
            raise ConfigError("--allow is for a single run", hint="leave it out, or run the method without --sweep")
        print_sweep(method, overrides or [], prompts, sweep, jobs, name)
        return
    if jobs > 1 or name:
        raise ConfigError("--jobs and --name are for sweeps", hint="add --sweep or --prompts")
    _run(method, overrides or [], "methods", allow or [])


@app.command()
@_exit_with_errors
def train(
    recipe: Annotated[str, typer.Argument(help="a recipe's name or YAML file")],
    overrides: Overrides = None,
    allow: Allowed = None,
) -> None:
    """Train a prior from a recipe.

    maquette train textual-inversion image=mug.png stages.word.learner.init=mug
    """
    _run(recipe, overrides or [], "training", allow or [])


def _run(name: str, overrides: list[str], folder: str, allow: list[Path]) -> None:
    from maquette.config.loading import load_method

    with allowing(allow):
        resolved = load_method(name, overrides, folder)
        from maquette.pipeline import run_method

        print_outcome(run_method(resolved))


app.command()(_exit_with_errors(resume))
app.command()(_exit_with_errors(export))
app.command()(_exit_with_errors(measure))
app.command()(_exit_with_errors(report))
app.command()(_exit_with_errors(compare))
app.command()(_exit_with_errors(clean))
app.command()(_exit_with_errors(sample))


@app.command()
@_exit_with_errors
def bench(
    suite: Annotated[str, typer.Argument(help="a suite's name (see `maquette list suites`) or YAML file")],
    overrides: Overrides = None,
    results: Annotated[
        Path | None, typer.Option(help="folder for the results: JSON and contact sheet [that of the runs]")
    ] = None,
    runs: Annotated[Path | None, typer.Option(help="folder for the runs [outputs/bench/SUITE]")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="runs at a time")] = 1,
) -> None:
    """Run a suite and measure the results; a stopped suite continues.

    maquette bench my-suite.yaml --jobs 2
    """
    from maquette.bench.results import passed, run_suite
    from maquette.bench.suites import load_suite

    chosen = load_suite(suite)
    root = runs or Path("outputs") / "bench" / chosen.name
    report = run_suite(chosen, root, results or root, jobs, overrides or [])
    for name, value in report["summary"].items():
        low, high = value["interval_95"]
        typer.echo(f"{name}: {value['mean']:.3f} [{low:.3f}, {high:.3f}], {value['better']} is better{_bar(value)}")
    if report["failed"]:
        typer.echo(f"FAILED: {report['failed']} of {len(report['cases'])} runs; they are in no mean")
    if report["uncommitted_changes"]:
        typer.echo("MARKED: the code has uncommitted changes, so nobody else can repeat these results")
    typer.echo(f"results: {(results or root) / chosen.name}.json, {(results or root) / chosen.name}.png")
    if not passed(report):
        raise typer.Exit(1)


def _bar(value: dict[str, Any]) -> str:
    if "bar" not in value:
        return ""
    limits = ", ".join(f"{limit.replace('_', ' ')} {number:g}" for limit, number in value["bar"].items())
    return f"; bar {limits}: {'passed' if value['passed'] else 'FAILED'}"


@app.command()
@_exit_with_errors
def show(
    method: Annotated[str, typer.Argument(help="a method's name or YAML file")],
    overrides: Overrides = None,
    plain: Annotated[bool, typer.Option("--plain", help="without the origins: YAML that runs again")] = False,
) -> None:
    """Print the resolved config, each value with the file and line it comes from."""
    from maquette.config.loading import load_method

    folder = "training" if method.startswith("configs/training") else "methods"
    resolved = load_method(method, overrides or [], folder, stand_ins={"prompt": "(your prompt)"})
    text = resolved.to_yaml()
    if plain:
        typer.echo(text, nl=False)
        return
    from maquette.config.show import annotate_origins, legal_ranges

    typer.echo(annotate_origins(text, resolved.origin, legal_ranges(resolved.method)), nl=False)


@app.command()
@_exit_with_errors
def inspect(
    path: Annotated[
        str,
        typer.Argument(help="a mesh, point cloud, picture, folder of posed pictures, prior, LoRA or run folder"),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON with stable keys")] = False,
    allow: Allowed = None,
) -> None:
    """Print what is read of a file or folder: its contents, what is used, what is left out and what is doubtful.

    maquette inspect chair.glb

    maquette inspect outputs/dreamfusion/a-red-mug/20260101-120000 --json
    """
    from maquette.cli.inspect import print_account
    from maquette.inspection import inspect_path

    with allowing(allow or []):
        print_account(inspect_path(path).account(), as_json)


app.command("list")(_exit_with_errors(list_))


@app.command()
@_exit_with_errors
def doctor() -> None:
    """Print what this installation has: devices, kernel backends and why, plugins, optional packages."""
    from maquette.cli.doctor import print_report

    raise typer.Exit(print_report())


@plugin_app.command("list")
@_exit_with_errors
def plugin_list() -> None:
    """Installed plugins, and those that were skipped with the reason."""
    from maquette import plugins

    for name, distribution in plugins.loaded().items():
        typer.echo(f"{name}  ({distribution})")
    for distribution, reason in plugins.failures().items():
        typer.secho(f"{distribution}: skipped: {reason}", fg="yellow")


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    show_messages()
    if version:
        typer.echo(f"maquette {__version__}")
        raise typer.Exit()


def main() -> None:
    """Entry point of the `maquette` script."""
    sys.exit(app())
