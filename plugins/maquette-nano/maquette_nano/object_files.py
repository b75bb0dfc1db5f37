"""The command `maquette nano-objects`: objects of the nano world as mesh files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def nano_objects(
    folder: Annotated[Path, typer.Argument(help="folder for the files, made if there is none")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="number of objects")] = 24,
    first: Annotated[int, typer.Option(min=0, help="number of the first object of its split")] = 0,
    split: Annotated[str, typer.Option(help="train, validation or test")] = "train",
    resolution: Annotated[int, typer.Option(min=16, max=512, help="samples along a side of the surface's grid")] = 96,
) -> None:
    """Write objects of the nano world as .glb files with the colours of their vertices.

    maquette nano-objects meshes

    maquette nano-objects meshes --count 200 --split validation
    """
    from maquette.errors import ConfigError
    from maquette.export.writers import write_glb
    from maquette.meshes.mesh import Mesh
    from maquette_nano import world
    from maquette_nano.world.captions import SPLITS
    from maquette_nano.world.meshing import mesh

    if split not in SPLITS:
        raise ConfigError(f"there is no split {split!r}", key="--split", hint=f"known: {', '.join(SPLITS)}")
    for number in range(first, first + count):
        nano_object = world.sample_object(number, split)
        surface = mesh(nano_object, resolution)
        name = f"{number:04}-{nano_object.caption().replace(' ', '-').replace(',', '')}.glb"
        write_glb(folder / name, Mesh(surface.vertices, surface.faces, surface.vertex_colors))
        typer.echo(f"  {folder / name}")
