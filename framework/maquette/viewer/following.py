"""The viewer of a run folder: what a finished run exported, or the newest checkpoint of one that goes on or stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from maquette.errors import MaquetteError, RunError
from maquette.scene import Scene
from maquette.stages.base import StageContext
from maquette.stages.finished import load_run
from maquette.training.run_folder import RunFolder
from maquette.training.signals import interruptible
from maquette.viewer.live import IDLE_SECONDS, send_mesh, send_screenshot
from maquette.viewer.nodes import add_exports
from maquette.viewer.panel import Panel
from maquette.viewer.screens import Screens
from maquette.viewer.server import HOST, PORT, start_server, stop_server

if TYPE_CHECKING:
    from viser import ClientHandle

_log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # between two looks into the run folder


def view_run(path: Path, host: str = HOST, port: int = PORT, parts: Sequence[Path] = ()) -> None:
    """Serve the page of a run folder until the process is interrupted. Nothing is written there.

    Args:
        path: the folder.
        host, port: address of the page.
        parts: local files to take in place of those that the run names.

    Raises:
        ConfigError: the folder is no run, or nothing can be served at this host.
        MissingDependency: viser is missing.
    """
    run = RunFolder.read(path)
    follower = Follower(run, host, port, parts)
    with interruptible():
        try:
            while True:
                follower.look()
        except KeyboardInterrupt:
            _log.info("viewer: closed")
        finally:
            follower.close()


class Follower:
    """Follows a run folder.

    Args:
        run: the folder.
        host, port: address of the page.
        parts: local files to take in place of those that the run names.
    """

    def __init__(self, run: RunFolder, host: str = HOST, port: int = PORT, parts: Sequence[Path] = ()) -> None:
        self._run, self._method = run, load_run(run, parts).method
        self._server = start_server(host, port)
        self._screens = Screens(self._server)
        self._panel = Panel(self._server, self._screenshot, self._export)
        self._scene: Scene | None = None
        self._version, self._looked_at, self._finished = ("", -1), -LOOK_SECONDS, False
        self._native = False  # whether the browser draws what was exported

    @property
    def port(self) -> int:
        """The port of the page."""
        return self._server.get_port()

    @property
    def version(self) -> tuple[str, int]:
        """Stage and step of the scene that is shown."""
        return self._version

    def look(self) -> None:
        """One turn: look for something newer, do what browsers ask for, draw."""
        if not self._finished and time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._look_into_folder()
            self._looked_at = time.monotonic()
        self._panel.work_off()
        if self._native or self._scene is None or not self._screens.draw(self._scene, self._version, None):
            time.sleep(IDLE_SECONDS)

    def close(self) -> None:
        """End the server."""
        stop_server(self._server)

    def _look_into_folder(self) -> None:
        try:
            finished = self._run.read_state()["finished"]
            newest = self._newest(finished)
            if newest is not None and newest != self._version:
                self._scene = self._load(newest[0], finished)
                self._version = newest
                if self._scene is not None:
                    self._screens.view = self._scene.view
        except (MaquetteError, OSError) as problem:  # a checkpoint is replaced while it is read
            self._panel.say(str(problem))
            return
        self._finished = set(self._method.stages) <= set(finished)
        if self._finished:
            added = add_exports(self._server, self._run.path)
            self._native = bool(added)
            if self._native:
                self._screens.clear()
            self._panel.say(f"**finished**: {' and '.join(added) or 'nothing was exported'}")
        elif self._scene is None:
            self._panel.say("no checkpoint yet; `loop.checkpoint_every` of a stage says how often there is one")
        else:
            self._panel.say(f"**{self._version[0]}**: checkpoint of step {self._version[1]:,}")

    def _newest(self, finished: list[str]) -> tuple[str, int] | None:
        """Name and step of the latest stage that has a checkpoint; finished stages without one have step 0."""
        for name in reversed(list(self._method.stages)):
            latest = self._run.store(name).latest()
            if latest is not None:
                return name, latest.step
        return None

    def _load(self, name: str, finished: list[str]) -> Scene | None:
        context = StageContext(name, self._method, self._run, resume=True)
        stage = self._method.stages[name].build()
        if name not in finished:
            stage.restore_stopped(context)
            return context.artifacts.scene
        stage.restore(context)
        if context.artifacts.scene is None:
            raise RunError(f"stage {name} made no scene")
        return context.artifacts.scene

    def _screenshot(self, client: ClientHandle) -> None:
        send_screenshot(client, self._screens, self._scene)

    def _export(self, client: ClientHandle) -> None:
        send_mesh(client, self._scene, self._run.path)
