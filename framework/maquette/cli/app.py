"""The command line, e.g. `maquette run magic123 image=teddy.png prior=sd15`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from maquette import __version__
from maquette.cli import completion
from maquette.cli.arguments import Allowed, DryRun, Jobs, Overrides, Parts, Prompts, Sweep, SweepName
from maquette.cli.bench import bench_app
from maquette.cli.clean import clean
from maquette.cli.compare import compare
from maquette.cli.describe import describe
from maquette.cli.errors import exit_with_errors as _exit_with_errors
from maquette.cli.export import export
from maquette.cli.leaderboard import leaderboard_app
from maquette.cli.list import list_
from maquette.cli.measure import measure
from maquette.cli.messages import show_messages
from maquette.cli.plan import plan
from maquette.cli.plugin import COMMANDS as PLUGIN_COMMANDS
from maquette.cli.plugin_commands import PluginGroup, print_plugins
from maquette.cli.report import report
from maquette.cli.resume import resume
from maquette.cli.running import RunOptions, start
from maquette.cli.sample import sample
from maquette.cli.schema import schema
from maquette.cli.train import train
from maquette.cli.view import HOST, PORT, Host, Port, View, view
from maquette.cli.warm_up import warm_up
from maquette.files import allowing

app = typer.Typer(
    name="maquette",
    cls=PluginGroup,
    help='3D objects and scenes out of diffusion priors.\n\nStart with: maquette run instant prompt="a red mug"',
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
plugin_app = typer.Typer(help="Look at installed plugins, check parts, begin a package.", no_args_is_help=True)
app.add_typer(plugin_app, name="plugin")
app.add_typer(bench_app, name="bench")
app.add_typer(leaderboard_app, name="leaderboard")


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
    dry_run: DryRun = False,
    sweep: Sweep = False,
    prompts: Prompts = "",
    jobs: Jobs = 1,
    name: SweepName = "",
) -> None:
    """Run a method, or a sweep of one.

    maquette run dreamfusion prompt="a red mushroom with white dots"

    maquette run dreamfusion prompt="a green house" seed=3 stages.nerf.steps=400

    maquette run dreamfusion prompt="a red mug" --view

    maquette run dreamfusion --prompts lib:classics seed=0,1 --sweep --jobs 2
    """
    options = RunOptions(view, host, port, allow or (), parts or (), dry_run, sweep, prompts, jobs, name)
    start(method, overrides or [], "methods", options)


app.command()(_exit_with_errors(train))
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
def show(
    method: Annotated[str, typer.Argument(help="a method's name or YAML file", autocompletion=completion.methods)],
    overrides: Overrides = None,
    plain: Annotated[bool, typer.Option("--plain", help="without the origins: YAML that runs again")] = False,
) -> None:
    """Print the resolved config, each value with the file and line it comes from."""
    from maquette.config.parts import unread_parts
    from maquette.config.stand_ins import load_with_stand_ins, text_with_stand_ins

    with TemporaryDirectory() as place:
        resolved = load_with_stand_ins(method, overrides or [], Path(place))
        text = text_with_stand_ins(resolved, Path(place))
    for sentence in unread_parts(resolved.method):
        typer.secho(f"warning: {sentence}", fg="yellow", err=True)
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
