"""The stage stereo: a film keeps its frames and sound, goes on where it was stopped, and refusals are one line."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from imageio.v3 import imread, imwrite
from typer.testing import CliRunner

from films import ffmpeg, number_of, numbered_film
from maquette.cli.app import app
from maquette.config.parts import PartSpec, part
from maquette.config.schema import MethodConfig
from maquette.errors import ConfigError, RunError
from maquette.stages.base import StageContext
from maquette.stages.stereo import MakeStereo
from maquette.stages.stereo_film import FilmState
from maquette.stereo.constant_disparity import ConstantDisparity
from maquette.stereo.estimates import RightColors, ShiftProbabilities
from maquette.training.run_folder import RunFolder
from maquette.video.probing import inspect_video
from maquette.video.reading import read_frames


def context_of(folder: Path, resume: bool = False, **settings: Any) -> tuple[MakeStereo, StageContext]:
    settings = {"stereo": part("stereo", "constant-disparity", shift=1 / 48), **settings}
    config = MakeStereo.Config(**settings)
    method = MethodConfig(stages={"stereo": PartSpec("stage", "stereo", MakeStereo, config)})
    run = RunFolder(folder) if resume else RunFolder.create(str(folder), "deep3d", "film", "{}")
    return MakeStereo(config), StageContext("stereo", method, run, resume)


def made(folder: Path, **settings: Any) -> Path:
    stage, context = context_of(folder, **settings)
    stage.check_inputs(context.name)
    stage.run(context)
    return context.run.export


def test_a_film_becomes_stereo_in_all_layouts_with_its_sound(tmp_path: Path):
    film = numbered_film(tmp_path / "film.mp4", 25, sound=True)
    export = made(tmp_path / "runs", video=str(film), piece=10)
    sizes = {
        "side-by-side": (192, 48), "half-side-by-side": (96, 48), "over-under": (96, 96), "anaglyph": (96, 48),
        "disparity": (96, 48),
    }  # fmt: skip
    for name, size in sizes.items():
        video = inspect_video(export / f"{name}.mp4")
        assert (video.width, video.height, video.frames, video.rate, video.sounds) == (*size, 25, 10, ("aac",))
    frames = list(read_frames(inspect_video(export / "side-by-side.mp4")))
    assert [number_of(frame[:, :96]) for frame in frames] == list(range(25))
    left, right = frames[12][:, :96].astype(int), frames[12][:, 96:].astype(int)
    assert np.abs(right[:, 2:] - left[:, :-2]).mean() < 4 < np.abs(right - left).mean()
    assert (export / "sheet.png").is_file()


def test_strength_0_makes_both_views_equal(tmp_path: Path):
    film = numbered_film(tmp_path / "film.mp4", 5)
    export = made(tmp_path / "runs", video=str(film), strength=0.0, outputs=("over-under",))
    frame = next(read_frames(inspect_video(export / "over-under.mp4"))).astype(int)
    assert np.abs(frame[:48] - frame[48:]).mean() < 3


def test_a_picture_becomes_a_stereo_picture(tmp_path: Path):
    ramp = np.linspace(0, 255, 96).astype(np.uint8)
    imwrite(tmp_path / "left.png", np.tile(ramp[None, :, None], (48, 1, 3)))
    export = made(tmp_path / "runs", image=str(tmp_path / "left.png"))
    wide = imread(export / "side-by-side.png").astype(int)
    assert wide.shape == (48, 192, 3) and np.array_equal(wide[:, 98:], wide[:, :94])
    assert {path.stem for path in export.glob("*.png")} == {
        "side-by-side", "half-side-by-side", "over-under", "anaglyph", "disparity", "sheet",
    }  # fmt: skip


class Stop(Exception):
    """Stands for a killed process."""


class StopsAt:
    """A maker of stereo that fails once it has made so many frames."""

    def __init__(self, frames: int) -> None:
        self.inner, self.left = ConstantDisparity(ConstantDisparity.Config(shift=1 / 48)), frames

    def estimate(self, left: torch.Tensor) -> ShiftProbabilities:
        self.left -= len(left)
        if self.left < 0:
            raise Stop
        estimate = self.inner.estimate(left)
        return estimate.with_values(estimate.values * left.mean((1, 2, 3))[:, None, None, None])


@pytest.mark.parametrize("smoothing", [0.0, 0.8])
def test_a_stopped_film_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch, smoothing):
    film = numbered_film(tmp_path / "film.mp4", 33, sound=True)
    outputs = ("anaglyph", "disparity")
    settings = {"video": str(film), "piece": 8, "batch": 3, "smoothing": smoothing, "outputs": outputs}

    def run(folder: Path, resume: bool, frames: int) -> Path:
        stage, context = context_of(folder, resume, **settings)
        monkeypatch.setattr(PartSpec, "build", lambda self: StopsAt(frames))
        stage.run(context)
        return context.run.export

    whole = run(tmp_path / "whole", False, 100)
    with pytest.raises(Stop):
        run(tmp_path / "stopped", False, 19)
    folder = next((tmp_path / "stopped" / "deep3d" / "film").iterdir())
    with pytest.raises(Stop):
        run(folder, True, 9)
    export = run(folder, True, 100)
    assert digests(export) == digests(whole) and len(digests(whole)) == 3
    assert digests(run(folder, True, 0)) == digests(whole)  # nothing is left to do


def digests(export: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(export.iterdir())}


def test_smoothing_of_a_stereo_film_begins_anew_at_a_cut():
    state = FilmState()
    left = torch.cat([torch.full((2, 8, 16, 3), 0.1), torch.full((1, 8, 16, 3), 0.9)])
    estimate = ShiftProbabilities(torch.tensor([0.0, 1.0, 1.0]).view(3, 1, 1, 1), (0.0,))
    assert state.smoothed(estimate, left, 0.75).values.flatten().tolist() == [0.0, 0.25, 1.0]


@pytest.mark.parametrize(
    ("settings", "message"), [({}, "there is neither"), ({"video": "a.mp4", "image": "b.png"}, "there is both")]
)
def test_a_film_or_a_picture_is_asked_for(tmp_path: Path, settings, message):
    with pytest.raises(ConfigError, match=message):
        made(tmp_path, **settings)


def test_without_a_film_or_picture_no_run_folder_is_made(tmp_path: Path):
    done = CliRunner().invoke(app, ["run", "deep3d", f"output={tmp_path / 'out'}"])
    assert done.exit_code == 2 and "there is neither" in done.output
    assert not list((tmp_path / "out").rglob("config.yaml"))


@pytest.mark.parametrize(("key", "what"), [("video", "film"), ("image", "picture")])
def test_a_missing_film_or_picture_is_refused_before_the_run_begins(key, what):
    config = MakeStereo.Config(part("stereo", "constant-disparity", shift=0.0), **{key: "no-such-file"})
    with pytest.raises(ConfigError, match=f"there is no {what} no-such-file"):
        MakeStereo(config)


def test_a_film_that_is_stereo_already_is_refused_unless_it_is_accepted(tmp_path: Path):
    ffmpeg("-f", "lavfi", "-i", "mandelbrot=size=160x96:rate=10:start_scale=0.5", "-t", "2", "-filter_complex",
           "[0]split[a][b];[a][b]hstack", "-c:v", "libx264", "-crf", "12", str(tmp_path / "film.mp4"))  # fmt: skip
    video = str(tmp_path / "film.mp4")
    with pytest.raises(ConfigError, match=r"is stereo already: side by side \(its halves show the same\)") as refusal:
        made(tmp_path / "runs", video=video)
    assert "stages.stereo.accept_stereo=true" in str(refusal.value) and "\n" not in str(refusal.value)
    assert (made(tmp_path / "runs", video=video, accept_stereo=True) / "anaglyph.mp4").is_file()


def test_unusual_films_are_converted_and_said_in_one_line(tmp_path: Path, caplog):
    words = ("-vf", "crop=95:47", "-c:v", "libx264", "-pix_fmt", "yuv444p10le")
    film = numbered_film(tmp_path / "film.mkv", 5, 10, False, *words)
    with caplog.at_level("INFO"):
        export = made(tmp_path / "runs", video=str(film), outputs=("anaglyph",))
    lines = [record.getMessage() for record in caplog.records if " has " in record.getMessage()]
    assert len(lines) == 1 and "10 bits a channel, rounded to 8; an odd size of 95 x 47" in lines[0]
    assert inspect_video(export / "anaglyph.mp4").frames == 5


def test_a_film_that_was_exchanged_is_not_gone_on_with(tmp_path: Path, monkeypatch):
    film = numbered_film(tmp_path / "film.mp4", 20)
    stage, context = context_of(tmp_path / "runs", video=str(film), piece=8, outputs=("anaglyph",))
    monkeypatch.setattr(PartSpec, "build", lambda self: StopsAt(9))
    with pytest.raises(Stop):
        stage.run(context)
    numbered_film(film, 12)
    stage, context = context_of(context.run.path, True, video=str(film), piece=8, outputs=("anaglyph",))
    with pytest.raises(RunError, match="not the one that this run was begun with"):
        stage.run(context)


def test_an_output_that_cannot_be_made_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(PartSpec, "build", lambda self: Regressed())
    with pytest.raises(ConfigError, match="knows of no shifts, which disparity is made of"):
        made(tmp_path / "runs", video=str(numbered_film(tmp_path / "film.mp4", 4)), outputs=("disparity",))


class Regressed:
    """A maker of stereo that knows of no shifts."""

    def estimate(self, left: torch.Tensor) -> RightColors:
        return RightColors(left.permute(0, 3, 1, 2))


def test_a_film_as_picture_is_refused_with_the_right_key(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"^image: .*video=FILE"):
        made(tmp_path / "runs", image=str(numbered_film(tmp_path / "film.mp4", 4)))
