"""A run with the viewer: same bits, steering, pictures."""

import json
import logging

import pytest

from command_line import logged
from maquette.config.loading import load_method
from maquette.pipeline import run_method
from maquette.viewer.live import LiveViewer
from maquette.viewer.panel import picture_sheet
from viewer_client import ViewerClient, wait_until

pytest.importorskip("viser")

METHOD = """
name: tiny
prompt: a mug
stages:
  first:
    type: optimise
    steps: 12
    cameras: {type: random-orbit, size: 16}
    geometry: {type: voxel-grid, resolution: 8}
    material: plain
    background: random-solid
    renderer: {type: volume, samples: 16}
    losses: {opacity: {weight: [[0, 1.0], [10, 2.0]]}}
    loop: {device: cpu, log_every: 0}
"""


def _run(folder, observer=None, *words):
    (folder / "tiny.yaml").write_text(METHOD)
    return run_method(load_method(str(folder / "tiny.yaml"), [f"output={folder / 'out'}", *words]), observer=observer)


class Steered(LiveViewer):
    """Waits for something between two steps, as a person would."""

    def __init__(self, at=None):
        super().__init__(port=18300)
        self.client = ViewerClient(self.port)
        self.at = at or {}

    def between_steps(self, interlude):
        if interlude.done == 0:
            wait_until(lambda: self._screens.all)
        self.client.move(0.1 * interlude.done)
        self.at.get(interlude.done, lambda: None)()
        self._budget.left = 1.0  # a run as short as this one earns no picture
        super().between_steps(interlude)

    def close(self):
        self.client.close()
        super().close()


@pytest.fixture
def steered():
    viewers = []

    def make(at=None):
        viewers.append(Steered(at))
        return viewers[-1]

    yield make
    for viewer in viewers:
        viewer.close()


def _weights(run):
    (checkpoint,) = (run / "checkpoints" / "first").glob("step-*")
    return (checkpoint / "model.safetensors").read_bytes(), (checkpoint / "random.safetensors").read_bytes()


def test_a_run_has_the_same_bits_with_and_without_a_live_viewer(tmp_path, steered):
    alone = _run(tmp_path)
    viewer = steered()
    watched = _run(tmp_path, viewer)
    wait_until(lambda: viewer.client.pictures)
    assert _weights(watched) == _weights(alone)
    assert "changed_by_hand" not in json.loads((watched / "manifest.json").read_text())


def test_a_slider_replaces_a_weight_from_then_on_and_is_recorded(tmp_path, steered):
    viewer = steered()

    def slide():
        wait_until(lambda: "losses.opacity" in viewer.client.texts())
        viewer.client.set("opacity", 0.5)
        wait_until(lambda: not viewer._panel._requests.empty())

    viewer.at[6] = slide
    run = _run(tmp_path, viewer)
    assert json.loads((run / "manifest.json").read_text())["changed_by_hand"] == [
        {"stage": "first", "step": 6, "key": "losses.opacity", "value": 0.5}
    ]
    rows = logged(run)
    assert {"stage": "first", "step": 6, "override/losses.opacity": 0.5} in rows
    assert _weights(run) != _weights(_run(tmp_path))
    assert "not be repeated" in viewer.client.texts()
    assert "/cameras/0" in viewer.client.texts()


def test_pause_holds_the_run_until_resume(tmp_path, steered):
    viewer = steered()
    held = []

    def pause():
        wait_until(lambda: "Pause" in viewer.client.texts())
        viewer.client.set("Pause", True)
        wait_until(lambda: not viewer._panel._requests.empty())
        viewer._idle, idle = look, viewer._idle
        viewer._looking = idle

    def look(version):
        held.append(version)
        viewer._looking(version)
        if len(held) == 5:
            viewer.client.set("Pause", True)  # the same button

    viewer.at[4] = pause
    _run(tmp_path, viewer)
    assert len(held) >= 5 and set(held) == {("first", 4)}


def test_a_failure_of_the_viewer_is_a_warning_and_the_run_goes_on(tmp_path, steered, caplog):
    caplog.set_level(logging.WARNING, "maquette")
    viewer = steered()
    viewer._screens.draw = None
    run = _run(tmp_path, viewer)
    assert caplog.text.count("the viewer has stopped") == 1
    assert json.loads((run / "manifest.json").read_text())["finished_stages"] == ["first"]


def test_finished_run_shows_native_nodes(tmp_path, steered):
    import trimesh

    (tmp_path / "export").mkdir()
    trimesh.creation.box().export(tmp_path / "export" / "mesh.glb")
    viewer = steered()
    viewer.show_finished(tmp_path)
    wait_until(lambda: "/object/mesh" in viewer.client.texts())
    wait_until(lambda: "**finished**: mesh" in viewer.client.texts())


def test_panel_shows_what_the_guidance_saw_once_where_it_is_the_render(tmp_path):
    import torch

    from maquette.cameras.base import orbit_cameras
    from maquette.stages.optimisation import StepPictures

    one = torch.ones(2)
    cameras = orbit_cameras(0 * one, 0 * one, 3 * one, 40 * one, 8)
    render, normals = torch.rand(2, 8, 8, 3), torch.rand(2, 8, 8, 3)
    sheet, names = picture_sheet(StepPictures(cameras, {"render": render, "sds": render, "normals": normals}))
    assert sheet.shape == (240, 240, 3)  # 15 times enlarged
    assert names == ["render = sds", "normals"]
