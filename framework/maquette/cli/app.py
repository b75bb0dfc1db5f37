"""The command line, e.g. `maquette run magic123 image=teddy.png prior=sd15`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maquette import __version__
from maquette.cli import completion
from maquette.cli.clean import clean
from maquette.cli.compare import compare
from maquette.cli.describe import describe
from maquette.cli.errors import exit_with_errors as _exit_with_errors
from maquette.cli.export import export
from maquette.cli.list import list_
from maquette.cli.measure import measure
from maquette.cli.messages import show_messages
from maquette.cli.outcome import print_outcome
from maquette.cli.plan import dry_run as try_run
from maquette.cli.plan import plan
from maquette.cli.plugin import COMMANDS as PLUGIN_COMMANDS
from maquette.cli.plugin_commands import PluginGroup, print_plugins
from maquette.cli.report import report
from maquette.cli.resume import resume
from maquette.cli.sample import sample
from maquette.cli.schema import schema
from maquette.cli.sweep import print_sweep
from maquette.cli.view import HOST, PORT, Host, Port, View, keep_serving, view, viewer
from maquette.cli.warm_up import start_in_background, warm_up
from maquette.errors import ConfigError
from maquette.files import allowing

if TYPE_CHECKING:
    from maquette.viewer.live import LiveViewer

app = typer.Typer(
    name="maquette",
    cls=PluginGroup,
    help='3D objects and scenes out of diffusion priors.\n\nStart with: maquette run dreamfusion prompt="a red mug"',
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
plugin_app = typer.Typer(help="Look at installed plugins, check parts, begin a package.", no_args_is_help=True)
app.add_typer(plugin_app, name="plugin")

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        help="key=value words that override the config, e.g. seed=1; ~key removes one, e.g. ~stages.export",
        autocompletion=completion.overrides,
    ),
]
Allowed = Annotated[
    list[Path] | None,
    typer.Option("--allow", help="a folder into which the paths of a plugin's file or another user's run may lead"),
]
Parts = Annotated[
    list[Path] | None,
    typer.Option("--parts", help="a Python file with parts of your own, or a folder of them; see docs/local-parts.md"),
]


@app.command()
@_exit_with_errors
def run(
    method: Annotated[
        str,
        typer.Argument(
            help="a method's name (see `maquette list methods`), or a YAML file", autocompletion=completion.methods
        ),
    ],
    overrides: Overrides = None,
    view: View = False,
    host: Host = HOST,
    port: Port = PORT,
    allow: Allowed = None,
    parts: Parts = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="load what the run needs, take a step of each stage, and keep nothing")
    ] = False,
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

    maquette run dreamfusion prompt="a red mug" --view

    maquette run dreamfusion --prompts lib:nano seed=0,1 --sweep --jobs 2
    """
    if sweep or prompts:
        single = {"--allow": allow, "--parts": parts, "--dry-run": dry_run, "--view": view}
        for option in (option for option, value in single.items() if value):
            raise ConfigError(f"{option} is for a single run", hint="leave it out, or run the method without --sweep")
        print_sweep(method, overrides or [], prompts, sweep, jobs, name)
        return
    if jobs > 1 or name:
        raise ConfigError("--jobs and --name are for sweeps", hint="add --sweep or --prompts")
    with viewer(view, host, port) as live:
        _run(method, overrides or [], "methods", allow or [], parts or [], dry_run, live)


@app.command()
@_exit_with_errors
def train(
    recipe: Annotated[str, typer.Argument(help="a recipe's name or YAML file", autocompletion=completion.recipes)],
    overrides: Overrides = None,
    allow: Allowed = None,
    parts: Parts = None,
) -> None:
    """Train a prior from a recipe.

    maquette train textual-inversion image=mug.png stages.word.learner.init=mug
    """
    _run(recipe, overrides or [], "training", allow or [], parts or [])


def _run(
    name: str, overrides: list[str], folder: str, allow: list[Path], parts: Sequence[Path], dry_run: bool = False,
    live: LiveViewer | None = None,
) -> None:  # fmt: skip
    from maquette.config.loading import load_method
    from maquette.plugins.local import LocalParts

    with allowing(allow):
        if not dry_run:
            start_in_background(name, overrides)
        resolved = load_method(name, overrides, folder, local=LocalParts(True, parts))
        if dry_run:
            try_run(resolved)
            return
        from maquette.pipeline import run_method

        path = run_method(resolved, observer=live)
        print_outcome(path)
    if live is not None:
        keep_serving(live, path)


app.command()(_exit_with_errors(resume))
app.command()(_exit_with_errors(export))
app.command()(_exit_with_errors(measure))
app.command()(_exit_with_errors(report))
app.command()(_exit_with_errors(compare))
app.command()(_exit_with_errors(clean))
app.command()(_exit_with_errors(sample))
app.command()(_exit_with_errors(warm_up))
app.command("view")(_exit_with_errors(view))


@app.command()
@_exit_with_errors
def bench(
    suite: Annotated[
        str,
        typer.Argument(
            help="a suite's name (see `maquette list suites`) or YAML file", autocompletion=completion.suites
        ),
    ],
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
    method: Annotated[str, typer.Argument(help="a method's name or YAML file", autocompletion=completion.methods)],
    overrides: Overrides = None,
    plain: Annotated[bool, typer.Option("--plain", help="without the origins: YAML that runs again")] = False,
) -> None:
    """Print the resolved config, each value with the file and line it comes from."""
    from maquette.config.loading import load_method
    from maquette.config.parts import unread_parts

    folder = "training" if method.startswith("configs/training") else "methods"
    resolved = load_method(method, overrides or [], folder, stand_ins={"prompt": "(your prompt)"})
    for sentence in unread_parts(resolved.method):
        typer.secho(f"warning: {sentence}", fg="yellow", err=True)
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
app.command()(_exit_with_errors(describe))
app.command()(_exit_with_errors(schema))
app.command()(_exit_with_errors(plan))


@app.command()
@_exit_with_errors
def doctor() -> None:
    """Print what this installation has: devices, kernel backends and why, plugins, optional packages."""
    from maquette.cli.doctor import print_report

    raise typer.Exit(print_report())


@plugin_app.command("list")
@_exit_with_errors
def plugin_list() -> None:
    """Installed plugins with what they bring, and those that were skipped with the reason."""
    print_plugins()


for _name, _command in PLUGIN_COMMANDS.items():
    plugin_app.command(_name)(_exit_with_errors(_command))


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    show_messages()
    if version:
        typer.echo(f"maquette {__version__}")
        raise typer.Exit()


def main() -> None:
    """Entry point of the `maquette` script."""
    sys.exit(app())
