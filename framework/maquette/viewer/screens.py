"""What each browser shows: the scene from its camera, drawn by our renderer as the background of its page."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from maquette.cameras.base import Cameras
from maquette.images.pixels import to_bytes
from maquette.scene import Scene, Viewpoint
from maquette.viewer.budget import HEIGHTS, REFRESH_SECONDS, Budget, PictureCost, pixels
from maquette.viewer.cameras import browser_camera

if TYPE_CHECKING:
    from viser import ClientHandle, ViserServer

JPEG_QUALITY = 95  # small pictures are enlarged, and their blocks with them
SCREENSHOT_HEIGHT = 768
REST_SECONDS = 0.3  # without a move, after which a camera rests
QUICK_SECONDS, UNHURRIED_SECONDS = 0.15, 1.5  # a picture may take where no step waits, moving and at rest
START = (math.radians(25), math.radians(15))  # azimuth and elevation of the first camera
WIDEST = 2.5  # width by height of the pictures, at most


@dataclass(eq=False)
class Screen:
    """One browser: when its camera moved, and which picture it shows."""

    client: ClientHandle
    moved_at: float = field(default_factory=time.monotonic)
    drawn_at: float = -math.inf
    height: int = 0
    version: Any = None  # of the scene in the picture

    @property
    def stale(self) -> bool:
        """Whether the camera has moved since the picture was drawn."""
        return self.moved_at > self.drawn_at

    @property
    def moving(self) -> bool:
        """Whether the camera moved just now."""
        return time.monotonic() - self.moved_at < REST_SECONDS

    def camera(self, height: int) -> Cameras:
        """Our camera where the browser's is."""
        camera = self.client.camera
        aspect = min(float(camera.aspect), WIDEST)
        return browser_camera(camera.position, camera.wxyz, float(camera.fov), aspect, height)


class Screens:
    """The browsers of a server, which come and go in threads of their own; `draw` is called in one thread.

    Args:
        server: the server.
        view: distance and angle of the first camera.
    """

    def __init__(self, server: ViserServer, view: Viewpoint | None = None) -> None:
        self.server, self.view = server, view or Viewpoint()
        self.cost = PictureCost()
        self._screens: dict[int, Screen] = {}
        self._lock = threading.Lock()
        server.scene.set_up_direction("+z")
        server.on_client_connect(self._welcome)
        server.on_client_disconnect(self._dismiss)

    @property
    def all(self) -> list[Screen]:
        """The browsers that are open now."""
        with self._lock:
            return list(self._screens.values())

    def draw(self, scene: Scene, version: Any, budget: Budget | None) -> bool:
        """Draw the picture that is needed most, if there is one and the budget allows it.

        Args:
            scene: what to draw.
            version: changes when the scene does.
            budget: None: there is time; pictures at rest have full size.

        Returns:
            Whether one was drawn.
        """
        waiting = [
            screen for screen in self.all
            if screen.stale or screen.version != version or screen.height < (self._height(screen, budget) or 0)
        ]  # fmt: skip
        if not waiting:
            return False
        screen = min(waiting, key=lambda screen: (not screen.stale, screen.drawn_at))
        height = self._height(screen, budget)
        if height is None:
            return False
        started = time.monotonic()
        camera = screen.camera(height)
        picture = render(scene, camera)
        screen.client.scene.set_background_image(picture, format="jpeg", jpeg_quality=JPEG_QUALITY)
        screen.drawn_at, screen.height, screen.version = started, height, version
        self.cost.record(camera.height * camera.width, time.monotonic() - started)
        return True

    def clear(self) -> None:
        """Show no picture behind the nodes of the page."""
        for screen in self.all:
            screen.client.scene.set_background_image(None)

    def _height(self, screen: Screen, budget: Budget | None) -> int | None:
        """Rows of the next picture; None: it has to wait."""
        aspect = min(float(screen.client.camera.aspect), WIDEST)
        if budget is None:
            return self.cost.largest_height(QUICK_SECONDS if screen.moving else UNHURRIED_SECONDS, aspect) or HEIGHTS[0]
        if budget.left <= 0:
            return None
        if screen.moving or screen.height == 0:
            return self.cost.largest_height(budget.left, aspect)
        height = self.cost.largest_height(budget.fraction * REFRESH_SECONDS, aspect) or HEIGHTS[0]
        return height if self.cost.estimate(pixels(height, aspect)) <= budget.left else None

    def _welcome(self, client: ClientHandle) -> None:
        azimuth, elevation = START
        around = np.array([math.cos(azimuth), math.sin(azimuth), math.tan(elevation)]) * math.cos(elevation)
        client.camera.up_direction = (0.0, 0.0, 1.0)
        client.camera.position = tuple(self.view.distance * around)
        client.camera.look_at = (0.0, 0.0, 0.0)
        client.camera.fov = math.radians(self.view.fov_y_deg)
        screen = Screen(client)
        with self._lock:
            self._screens[client.client_id] = screen

        @client.camera.on_update
        def on_move(_: Any) -> None:
            screen.moved_at = time.monotonic()

    def _dismiss(self, client: ClientHandle) -> None:
        with self._lock:
            self._screens.pop(client.client_id, None)


def render(scene: Scene, camera: Cameras) -> np.ndarray:
    """The scene over its background as bytes [H, W, 3]."""
    return to_bytes(scene.render_cameras(camera, normals=False).rgb[0].numpy())
