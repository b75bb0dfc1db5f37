"""The command `maquette train`: a prior is trained from a recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from maquette.cli import completion
from maquette.cli.arguments import Allowed, DryRun, Jobs, Overrides, Parts, Prompts, Sweep, SweepName
from maquette.cli.list import list_
from maquette.cli.running import RunOptions, start
from maquette.cli.view import HOST, PORT, Host, Port, View


def train(
    recipe: Annotated[
        str, typer.Argument(help="a recipe's name or YAML file [lists the recipes]", autocompletion=completion.recipes)
    ] = "",
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
    """Train a prior from a recipe; without one, list the recipes.

    maquette train

    maquette train novel-view dataset=meshes prior=lambdalabs/sd-image-variations-diffusers

    maquette train textual-inversion image=mug.png stages.word.learner.init=mug
    """
    if not recipe:
        list_("recipes")
        return
    options = RunOptions(view, host, port, allow or (), parts or (), dry_run, sweep, prompts, jobs, name)
    start(recipe, overrides or [], "training", options)
