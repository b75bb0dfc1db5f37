"""The viewer of a run in this process: an observer that draws between the steps of the loop."""

from __future__ import annotations

import io
import logging
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maquette.randomness import Moment
from maquette.scene import Scene
from maquette.stages.optimisation import Optimisation
from maquette.training.observer import Interlude
from maquette.viewer.budget import Budget
from maquette.viewer.nodes import MESH, add_exports, add_references, clear_cameras, show_cameras
from maquette.viewer.panel import LiveControls, Panel
from maquette.viewer.screens import SCREENSHOT_HEIGHT, Screens, render
from maquette.viewer.server import HOST, PORT, page_address, start_server, stop_server

if TYPE_CHECKING:
    from viser import ClientHandle

_log = logging.getLogger(__name__)

CONTROLS_SECONDS = 2.0  # between two updates of the controls
IDLE_SECONDS = 0.03  # between two looks at what browsers ask for, while a run waits


class LiveViewer:
    """Shows a run while its stages step; implements `maquette.training.observer.Observer`.

    A failure of the viewer is a warning, and the run goes on without it.

    Args:
        host, port: address of its page; another port is taken where this one is in use.

    Raises:
        MissingDependency: viser is missing.
        ConfigError: nothing can be served at this host.
    """

    def __init__(self, host: str = HOST, port: int = PORT) -> None:
        self._server = start_server(host, port)
        self._screens = Screens(self._server)
        self._panel = Panel(self._server, self._screenshot, self._export)
        self._controls: LiveControls | None = None
        self._budget = Budget()
        self._stage, self._scene, self._run = "", None, None  # type: tuple[str, Scene | None, Path | None]
        self._interlude: Interlude | None = None
        self._changes: list[dict[str, Any]] = []
        self._updated_at, self._failed, self._references_visible = 0.0, False, True

    @property
    def port(self) -> int:
        """The port of the page."""
        return self._server.get_port()

    @property
    def address(self) -> str:
        """The address of the page."""
        return page_address(self._server)

    def between_steps(self, interlude: Interlude) -> None:
        """Draw, as far as the time of the steps pays for it; wait while the run is paused."""
        if self._failed:
            return
        started, waited = time.monotonic(), 0.0
        try:
            self._interlude = interlude
            if interlude.stage != self._stage:
                self._begin(interlude)
            self._budget.earn(interlude.step_seconds)
            waited = self._act(interlude)
        except Exception as problem:
            self._failed = True
            _log.warning("the viewer has stopped (%s: %s); the run goes on", type(problem).__name__, problem)
        self._budget.spend(time.monotonic() - started - waited)

    def record(self) -> list[dict[str, Any]]:
        """What was changed while the run went on: stage, step, key and value of each weight that a slider replaced."""
        return list(self._changes)

    def show_finished(self, run: Path) -> None:
        """Show what a finished run has exported; without exports, its last scene stays."""
        if self._controls is not None:
            self._controls.remove()
            self._controls = None
        self._run = run
        clear_cameras(self._server)
        added = add_exports(self._server, run)
        if added:
            self._screens.clear()
        self._panel.say(f"**finished**: {' and '.join(added) or 'nothing was exported'}")

    def serve(self) -> None:
        """Serve the finished object until the process is interrupted."""
        from maquette.training.signals import interruptible

        with interruptible():
            try:
                while True:
                    self._idle(version="finished")
            except KeyboardInterrupt:
                return

    def close(self) -> None:
        """End the server."""
        stop_server(self._server)

    def _begin(self, interlude: Interlude) -> None:
        """Set the page up for a stage."""
        self._stage, task = interlude.stage, interlude.task
        clear_cameras(self._server)
        if self._controls is not None:
            self._controls.remove()
            self._controls = None
        self._scene = task.scene if isinstance(task, Optimisation) else None
        if isinstance(task, Optimisation):
            self._screens.view = task.scene.view
            self._controls = LiveControls(self._server, task.weights, self._override, self._panel.ask)
            add_references(self._server, task.references, visible=True)
            self._references_visible = True

    def _act(self, interlude: Interlude) -> float:
        """Work off requests, draw, and wait while paused; returns the seconds waited."""
        self._panel.work_off()
        if time.monotonic() - self._updated_at > CONTROLS_SECONDS or interlude.done == interlude.total:
            self._update(interlude)
        if self._scene is not None:
            self._screens.draw(self._scene, (interlude.stage, interlude.done), self._budget)
        controls, since = self._controls, time.monotonic()
        if controls is None or not controls.paused:
            return 0.0
        self._update(interlude)
        while controls.paused and not interlude.stopping():
            self._idle((interlude.stage, interlude.done))
        return time.monotonic() - since

    def _idle(self, version: Any) -> None:
        """One look at what browsers ask for, with time to draw, while nothing steps."""
        self._panel.work_off()
        native = self._run is not None and (self._run / MESH).is_file()
        if native or self._scene is None or not self._screens.draw(self._scene, version, None):
            time.sleep(IDLE_SECONDS)

    def _update(self, interlude: Interlude) -> None:
        """Bring the controls up to date; only while a browser looks."""
        if not self._screens.all:
            return
        self._updated_at = time.monotonic()
        task, controls = interlude.task, self._controls
        paused = ", **paused**" if controls is not None and controls.paused else ""
        changed = f"; {len(self._changes)} weights changed by hand, recorded" if self._changes else ""
        self._panel.say(f"**{interlude.stage}**: step {interlude.done:,} of {interlude.total:,}{paused}{changed}")
        if controls is None or not isinstance(task, Optimisation):
            return
        moment = Moment.at(min(interlude.done, interlude.total - 1), interlude.total, 0)
        controls.show_weights({key: task.weight_at(key, moment) for key in task.weights})
        if task.latest is not None:
            controls.show_pictures(self._server, task.latest)
            show_cameras(self._server, task.latest.cameras, controls.cameras_visible)
        if controls.cameras_visible != self._references_visible:
            self._references_visible = controls.cameras_visible
            add_references(self._server, task.references, self._references_visible)

    def _override(self, key: str, value: float) -> None:
        interlude = self._interlude
        if interlude is None or not isinstance(interlude.task, Optimisation):
            return
        interlude.task.override_weight(key, value)
        interlude.note({f"override/{key}": value})
        self._changes.append({"stage": interlude.stage, "step": interlude.done, "key": key, "value": value})
        _log.info("viewer: %s %s = %g from step %d on", interlude.stage, key, value, interlude.done)

    def _screenshot(self, client: ClientHandle) -> None:
        send_screenshot(client, self._screens, self._scene)

    def _export(self, client: ClientHandle) -> None:
        send_mesh(client, self._scene, self._run)


def send_screenshot(client: ClientHandle, screens: Screens, scene: Scene | None) -> None:
    """Let a browser download its view of the scene as `maquette.png`, drawn by our renderer."""
    from PIL import Image

    screen = next((screen for screen in screens.all if screen.client is client), None)
    if screen is None or scene is None:
        client.add_notification("No picture", "there is no object yet", color="red")
        return
    stream = io.BytesIO()
    Image.fromarray(render(scene, screen.camera(SCREENSHOT_HEIGHT))).save(stream, "PNG")
    client.send_file_download("maquette.png", stream.getvalue())


def send_mesh(client: ClientHandle, scene: Scene | None, run: Path | None) -> None:
    """Let a browser download `mesh.glb`: that of the run, or else the scene's surface with its colours.

    Where there is no surface, the browser shows why.
    """
    from maquette.export.meshed import MeshedSubject
    from maquette.export.writers import write_glb
    from maquette.meshes.mesh import EmptySurface

    if run is not None and (run / MESH).is_file():
        client.send_file_download("mesh.glb", (run / MESH).read_bytes())
        return
    if scene is None:
        return
    try:
        mesh = MeshedSubject(scene).mesh()
    except EmptySurface as problem:
        client.add_notification("No mesh", str(problem), color="red")
        return
    with tempfile.TemporaryDirectory() as folder:
        client.send_file_download("mesh.glb", write_glb(Path(folder) / "mesh.glb", mesh).read_bytes())
