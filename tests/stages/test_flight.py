"""The stage flight: films of all frames, files that a user can paint on, the same bytes after a stop, and refusals."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from imageio.v3 import imread, imwrite

from maquette.config.parts import PartSpec
from maquette.config.schema import MethodConfig
from maquette.errors import ConfigError, RunError
from maquette.landscapes.flight import FlightConfig
from maquette.landscapes.rendering import LandscapeRenderer
from maquette.stages.base import StageContext
from maquette.stages.flight import FILMS, Flight
from maquette.training.run_folder import RunFolder
from maquette.video.probing import inspect_video
from small_landscapes import WORLD, saved_generator

SETTINGS: dict[str, Any] = {
    "world": WORLD, "size": (24, 32), "reach": 300.0, "rate": 10, "stills": 2, "styles": 2, "mesh_step": 4,
    "texture_size": 32, "piece": 5, "flight": FlightConfig(frames=12, length=24.0, bends=2, smoothness=6.0),
}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_generator(tmp_path_factory.mktemp("weights"))


def made(folder: Path, resume: bool = False, seed: int = 3, **settings: Any) -> Path:
    config = Flight.Config(**{**SETTINGS, **settings})
    method = MethodConfig(stages={"flight": PartSpec("stage", "flight", Flight, config)}, seed=seed)
    run = RunFolder(folder) if resume else RunFolder.create(str(folder), "scenedreamer", "seed", "{}")
    Flight(config).run(StageContext("flight", method, run, resume))
    return run.export


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory, weights: str) -> Path:
    return made(tmp_path_factory.mktemp("runs"), weights=weights)


def digests(export: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(export.iterdir())}


def test_a_flight_that_is_tried_out_counts_its_frames_stills_and_styles(tmp_path: Path, weights: str):
    config = Flight.Config(**SETTINGS, weights=weights)
    method = MethodConfig(stages={"flight": PartSpec("stage", "flight", Flight, config)})
    run = RunFolder.create(str(tmp_path), "scenedreamer", "seed", "{}")
    pace = Flight(config).try_out(StageContext("flight", method, run, resume=False))
    assert pace.count == 12 + 2 + 2 and len(pace.seconds) == 2 and min(pace.seconds) > 0


def test_a_flight_makes_films_of_all_frames_stills_a_sheet_and_a_textured_mesh(export: Path):
    for name in FILMS:
        video = inspect_video(export / f"{name}.mp4")
        assert (video.width, video.height, video.frames, video.rate) == (32, 24, 12, 10)
    assert len(list(export.glob("still-*.png"))) == 2 and imread(export / "sheet.png").shape[1] > 64
    assert (export.parent / "previews" / "flight" / "00000000.png").is_file()
    mesh = trimesh.load(export / "mesh.glb", force="mesh")
    assert mesh.visual.material.baseColorTexture.size == (32, 32) and len(mesh.faces) == 2 * 16**2
    assert np.ptp(imread(export / "still-0004.png").astype(int)) > 5


def test_a_flight_over_the_maps_that_a_run_left_leaves_the_same_maps(export: Path, tmp_path: Path, weights: str):
    painted = {name: str(export / f"{name}.png") for name in ("heightmap", "labels")}
    again = made(tmp_path, weights=weights, **painted)
    for name in painted:
        assert np.array_equal(imread(again / f"{name}.png"), imread(export / f"{name}.png"))


def test_a_stopped_flight_goes_on_to_the_same_bytes(export: Path, tmp_path: Path, weights: str, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LandscapeRenderer, "shoot", stopping(LandscapeRenderer.shoot, 8))
        made(tmp_path, weights=weights)
    folder = next((tmp_path / "scenedreamer" / "seed").iterdir())
    assert digests(made(folder, resume=True, weights=weights)) == digests(export)


def test_a_flight_whose_path_was_changed_is_not_gone_on_with(tmp_path: Path, weights: str, monkeypatch):
    path = tmp_path / "path.txt"
    path.write_text("12, 12\n32, 40\n50, 44\n")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LandscapeRenderer, "shoot", stopping(LandscapeRenderer.shoot, 8))
        made(tmp_path, weights=weights, path=str(path))
    path.write_text("12, 12\n40, 30\n50, 44\n")
    folder = next((tmp_path / "scenedreamer" / "seed").iterdir())
    with pytest.raises(RunError, match="not the one that this run was begun with"):
        made(folder, resume=True, weights=weights, path=str(path))


def stopping(shoot: Any, left: int) -> Any:
    """A way to shoot that is stopped after so many pictures."""

    def stops(self: LandscapeRenderer, *words: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return shoot(self, *words)

    return stops


def test_a_style_is_a_number_or_a_picture_and_a_path_a_number_or_points(export: Path, tmp_path: Path, weights: str):
    imwrite(tmp_path / "dusk.png", np.full((16, 16, 3), (220, 120, 60), np.uint8))
    (tmp_path / "path.txt").write_text("# x, y\n12, 12\n32 40\n50, 44  # the end\n")
    other = made(tmp_path, weights=weights, style=str(tmp_path / "dusk.png"), path=str(tmp_path / "path.txt"))
    for name in ("flight", "semantics"):
        assert digests(other)[f"{name}.mp4"] != digests(export)[f"{name}.mp4"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heightmap": "a.png"}, "labels: a painted landscape needs labels beside heightmap"),
        ({"heightmap": "no.png", "labels": "no.png"}, "heightmap: there is no picture no.png"),
        ({"style": "no.png"}, "style: there is no picture no.png"),
        ({"path": "no.txt"}, "path: there is no file no.txt; give the path of one; or a number from 0 on"),
        ({"style": "-1"}, "style: there is no picture -1; .* a number from 0 on"),
        ({"path": ""}, "path: there is no file"),
    ],
)
def test_what_is_missing_for_a_flight_is_refused_before_the_run_begins(settings: dict[str, str], message: str):
    with pytest.raises(ConfigError, match=message) as refusal:
        Flight(Flight.Config(**{**SETTINGS, "weights": "", **settings}))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flight": FlightConfig(length=500.0)}, "path: no path of 500 cells fits into a window of 64 x 64"),
        ({"weights": ""}, "no generator of landscapes is given; give its weights"),
    ],
)
def test_a_flight_that_cannot_be_gets_one_line(tmp_path: Path, weights: str, settings: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        made(tmp_path, **{"weights": weights, **settings})


def test_a_painting_of_another_size_gets_one_line(tmp_path: Path, weights: str):
    for name in ("heightmap", "labels"):
        imwrite(tmp_path / f"{name}.png", np.zeros((32, 32, 3), np.uint8))
    painted = {name: str(tmp_path / f"{name}.png") for name in ("heightmap", "labels")}
    with pytest.raises(ConfigError, match="32 x 32 pixels; this world is 64 x 64"):
        made(tmp_path, weights=weights, **painted)


def test_the_kernels_of_a_flight_can_be_warmed_up():
    Flight(Flight.Config(weights="")).warm_up()
