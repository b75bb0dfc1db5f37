"""The command `maquette sample`: pictures of a prior, without a method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 130  # exit code after SIGINT, as shells have it


def sample(
    prior: Annotated[str, typer.Argument(help="a prior's name (a file of configs/priors) or YAML file")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="key=value words: prompt, negative_prompt; image, mask, matting and elevation_deg of the picture that "
            "a prior of novel views continues; cameras, score, sampling.threshold, prior.dtype and the like"
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=0, help="number of samples, or of novel views [1, or 4 views]")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="of the first sample; each further one has the next")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="denoising steps")] = 25,
    sampler: Annotated[str, typer.Option(help="ddim, euler-ancestral or dpm-solver++")] = "ddim",
    scale: Annotated[
        float, typer.Option(min=0, help="guidance scale [0: 3 for priors of novel views or pixels, 7.5 for others]")
    ] = 0.0,
    size: Annotated[int, typer.Option(min=0, help="side of the pictures in pixels [0: as the prior was trained]")] = 0,
    output: Annotated[Path, typer.Option(help="folder for the pictures")] = Path("outputs"),
) -> None:
    """Sample pictures from a prior: what it makes of a prompt, before any shape is made of it.

    maquette sample PRIOR prompt="a red mug" -n 6 --seed 3

    maquette sample PRIOR image=mug_rgba.png -n 6

    `maquette list priors` names those that are there, behind `prior=`.

    A text prior makes one picture of each seed; a prior of several views makes them at once; a prior of novel views
    makes as many as asked for, from all around. The pictures and a sheet of them go to outputs/samples.
    """
    from maquette.stages.pictures import parse_pictures, sample_pictures

    options = [f"count={count}", f"seed={seed}", f"sampling.steps={steps}", f"sampling.sampler={sampler}"]
    options += [f"prior.size={size}"] if size else []
    options += [f"score={{type: cfg, scale: {scale}}}"] if scale else []
    pictures = parse_pictures(prior, [*options, *(words or [])])
    try:
        folder = sample_pictures(pictures, Path(prior).stem, output)
    except KeyboardInterrupt:
        typer.echo("stopped: no picture is written", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(f"\ndone: {folder}")
    for path in sorted(folder.glob("*.png")):
        typer.echo(f"  {path}")
