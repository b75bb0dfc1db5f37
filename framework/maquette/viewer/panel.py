"""The controls beside the picture: where the run is, buttons, weights, and what the guidance sees."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from maquette.config.schedules import Schedule
from maquette.images.pixels import to_bytes
from maquette.stages.optimisation import StepPictures

if TYPE_CHECKING:
    from viser import ClientHandle, ViserServer

MOST_VIEWS = 4  # of a batch, beside one another
LEAST_WIDTH = 250  # pixels; smaller sheets are enlarged by a whole number
SLIDER_STEPS = 200
WARNING = (
    "A slider replaces the weight's schedule from then on. The run can then **not be repeated** from its "
    "configuration; `metrics.jsonl` and `manifest.json` record each change."
)

Request = Callable[[], None]


class Panel:
    """Buttons put requests into a queue, which the thread that draws works off.

    Args:
        server: the server.
        screenshot, export: called in the thread that draws, with the browser that asked.
    """

    def __init__(
        self,
        server: ViserServer,
        screenshot: Callable[[ClientHandle], None],
        export: Callable[[ClientHandle], None],
    ) -> None:
        self._server = server
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        server.gui.configure_theme(dark_mode=False, show_logo=False, control_width="medium")
        self._status = server.gui.add_markdown("waiting for the first stage that steps")
        self._text = ""
        for label, action, hint in (
            ("Screenshot", screenshot, "this view as a PNG file"),
            ("Export mesh", export, "the object as a .glb file; steps wait until it is made"),
        ):
            button = server.gui.add_button(label, hint=hint)
            button.on_click(self._asking(action))

    def say(self, text: str) -> None:
        """Show a line of Markdown at the top."""
        if text != self._text:
            self._status.content = self._text = text

    def ask(self, request: Request) -> None:
        """Let the thread that draws do something."""
        self._requests.put(request)

    def work_off(self) -> None:
        """Do what was asked for; called in the thread that draws."""
        while not self._requests.empty():
            self._requests.get()()

    def _asking(self, action: Callable[[ClientHandle], None]) -> Callable[[Any], None]:
        def clicked(event: Any) -> None:
            if event.client is not None:
                self.ask(lambda: action(event.client))

        return clicked


class LiveControls:
    """Pause, cameras, weights and pictures of one stage that steps.

    Args:
        server: the server.
        weights: key -> schedule, as the task has them.
        override: called in the thread that draws, with the key and the value of a slider that was moved.
        ask: puts a request into the queue of that thread.
    """

    def __init__(
        self,
        server: ViserServer,
        weights: Mapping[str, Schedule],
        override: Callable[[str, float], None],
        ask: Callable[[Request], None],
    ) -> None:
        gui = server.gui
        self.paused = False
        self._folder = gui.add_folder("While it runs")
        self._sliders: dict[str, Any] = {}
        self._image: Any = None
        with self._folder:
            self._pause = gui.add_button("Pause", hint="the run waits after this step")
            self._pause.on_click(lambda _: ask(self._toggle))
            self._cameras = gui.add_checkbox("Cameras", True, hint="frustums of sampled cameras and reference pictures")
            self._pictures = gui.add_folder("What the guidance sees")
            with self._pictures:
                self._caption = gui.add_markdown("nothing yet")
            if weights:
                with gui.add_folder("Weights", expand_by_default=False):
                    gui.add_markdown(WARNING)
                    for key, schedule in weights.items():
                        self._sliders[key] = self._slider(gui, key, schedule, override, ask)

    @property
    def cameras_visible(self) -> bool:
        """Whether frustums are to be shown."""
        return bool(self._cameras.value)

    def show_pictures(self, server: ViserServer, latest: StepPictures) -> None:
        """Show the pictures of the latest step, one row for the losses and one for each guidance."""
        sheet, names = picture_sheet(latest)
        if self._image is None:
            with self._pictures:
                self._image = server.gui.add_image(sheet, format="jpeg")
        else:
            self._image.image = sheet
        azimuths = ", ".join(f"{float(angle) % 360:.0f}°" for angle in latest.cameras.azimuth_deg[:MOST_VIEWS])
        rows = ", ".join(f"{name} (row {i})" for i, name in enumerate(names, 1)) if len(names) > 1 else names[0]
        self._caption.content = f"{rows}; azimuth {azimuths}"

    def show_weights(self, weights: Mapping[str, float]) -> None:
        """Move the sliders to the weights of this step."""
        for key, value in weights.items():
            slider = self._sliders[key]
            if slider.min <= value <= slider.max and abs(slider.value - value) > 1e-9:
                slider.value = value

    def remove(self) -> None:
        """Take the controls off the page."""
        self._folder.remove()

    def _toggle(self) -> None:
        self.paused = not self.paused
        self._pause.label = "Resume" if self.paused else "Pause"

    @staticmethod
    def _slider(
        gui: Any, key: str, schedule: Schedule, override: Callable[[str, float], None], ask: Callable[[Request], None]
    ) -> Any:
        largest = 2 * max((abs(value) for _, value in schedule.points), default=0.0) or 1.0
        start = min(schedule.points[0][1], largest)
        slider = gui.add_slider(key.partition(".")[2], 0.0, largest, largest / SLIDER_STEPS, start, hint=key)

        @slider.on_update
        def on_move(event: Any) -> None:
            if event.client is not None:  # and not by the schedule
                value = float(slider.value)
                ask(lambda: override(key, value))

        return slider


def picture_sheet(latest: StepPictures) -> tuple[np.ndarray, list[str]]:
    """Pictures of a step side by side as bytes [H, W, 3], a row for each distinct kind; and the rows' names.

    A guidance that was given what the losses saw has no row of its own: `render = sds`.
    """
    rows: list[np.ndarray] = []
    names: list[str] = []
    for name, pictures in latest.pictures.items():
        rgb = pictures[:MOST_VIEWS].clamp(0, 1).cpu().numpy()
        row = to_bytes(np.concatenate(list(rgb), axis=1))
        if rows and row.shape == rows[0].shape and np.array_equal(row, rows[0]):
            names[0] += f" = {name}"
            continue
        names.append(name)
        rows.append(row)
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    sheet = np.concatenate(padded, axis=0)
    enlarged = max(1, LEAST_WIDTH // width)
    return sheet.repeat(enlarged, axis=0).repeat(enlarged, axis=1), names
