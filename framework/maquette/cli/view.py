"""The command `maquette view`, and the viewer of `maquette run --view`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maquette.cli.arguments import PartsOfRun

if TYPE_CHECKING:
    from maquette.viewer.live import LiveViewer

Host = Annotated[
    str,
    typer.Option("--host", help="address of the viewer's page; 0.0.0.0: all of this machine's, without a password"),
]
Port = Annotated[
    int, typer.Option("--port", min=1, max=65_535, help="port of the viewer's page; the next free one if it is taken")
]
View = Annotated[bool, typer.Option("--view", help="look at the object in a browser while it is optimised")]
HOST, PORT = "127.0.0.1", 8080


def view(
    run: Annotated[
        str,
        typer.Argument(
            help="a run folder, or last: the newest run under outputs/; it is finished, stopped, or still goes on"
        ),
    ],
    host: Host = HOST,
    port: Port = PORT,
    parts: PartsOfRun = None,
) -> None:
    """Look at a run in a browser.

    maquette view outputs/dreamfusion/a-red-mug/20260101-120000

    Of a finished run it shows the mesh or the splats, of another one its newest checkpoint, and follows it while it
    goes on. Nothing is written to the folder. Ctrl-C ends it. To steer a run while it goes: maquette run METHOD --view
    """
    from maquette.runs.folders import find_run
    from maquette.viewer.following import view_run

    view_run(find_run(run).path, host, port, parts or [])


@contextmanager
def viewer(enabled: bool, host: str, port: int) -> Iterator[LiveViewer | None]:
    """The live viewer of a run, closed after it; None if none is wanted."""
    if not enabled:
        yield None
        return
    from maquette.viewer.live import LiveViewer

    live = LiveViewer(host, port)
    try:
        yield live
    finally:
        live.close()


def keep_serving(live: LiveViewer, run: Path) -> None:
    """Show the finished run until Ctrl-C."""
    live.show_finished(run)
    typer.echo(f"the finished object stays at {live.address}; Ctrl-C ends the viewer")
    live.serve()
