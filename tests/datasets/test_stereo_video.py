"""Stereo films as data: both layouts give the same pairs, the end is held out, and other inputs are refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from films import number_of, numbered_film, numbered_frame
from maquette.datasets.stereo_video import StereoVideo
from maquette.errors import ConfigError
from maquette.randomness import Draws
from maquette.video.writing import Encoding, PieceWriter


def stereo_film(path: Path, frames: int, axis: int) -> Path:
    """A film whose right views are the left ones in reverse."""
    size = (48 * (2 if axis == 0 else 1), 96 * (2 if axis == 1 else 1))
    with PieceWriter(path, size, Fraction(10), Encoding()) as writer:
        for number in range(frames):
            frame = numbered_frame(number)
            writer.write(np.concatenate([frame, 255 - frame], axis=axis))
    return path


def prepared(path: Path, **settings) -> StereoVideo:
    dataset = StereoVideo(StereoVideo.Config(path=str(path), size=(48, 96), **settings))
    dataset.prepare(torch.device("cpu"))
    return dataset


@pytest.mark.parametrize(("layout", "axis"), [("side-by-side", 1), ("over-under", 0)])
def test_both_layouts_give_left_and_right_views(tmp_path: Path, layout, axis):
    dataset = prepared(stereo_film(tmp_path / "film.mp4", 20, axis), layout=layout)
    pairs = dataset.batch(Draws(0, 0), 8)
    assert pairs.left.shape == (8, 48, 96, 3) == pairs.right.shape and pairs.right_shift is None
    assert (pairs.left + pairs.right - 1).abs().mean() < 0.03


def test_the_end_of_each_film_is_held_out(tmp_path: Path):
    for name in ("one", "two"):
        stereo_film(tmp_path / f"{name}.mp4", 20, 1)
    dataset = prepared(tmp_path, held_out=0.25, every=2)
    assert (len(dataset._train), len(dataset._held_out)) == (16, 4)
    assert dataset.frame == (48, 96) and dataset.sample_pairs(4).left.shape[0] == 4


def test_a_folder_without_films_and_a_film_too_short_are_refused(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="there are no films in"):
        prepared(tmp_path / "empty")
    with pytest.raises(ConfigError, match="has 1 frames, one of 9 taken"):
        prepared(stereo_film(tmp_path / "film.mp4", 5, 1), every=9)


def test_of_a_long_film_frames_are_taken_to_its_end(tmp_path: Path):
    dataset = prepared(stereo_film(tmp_path / "film.mp4", 40, 1), most=10, held_out=0.1)
    numbers = [number_of(left.numpy()) for left, _ in [*dataset._train, *dataset._held_out]]
    assert numbers == list(range(0, 40, 4))


def test_the_view_of_the_right_eye_may_come_first(tmp_path: Path):
    film = stereo_film(tmp_path / "film.mp4", 10, 1)
    one, other = (prepared(film, right_first=first).sample_pairs(1) for first in (False, True))
    assert torch.equal(one.left, other.right) and torch.equal(one.right, other.left)


def test_a_film_of_one_view_is_warned_of(tmp_path: Path, caplog):
    prepared(numbered_film(tmp_path / "film.mp4", 10))
    assert "does not look as if it held two views" in caplog.text


def test_of_a_short_film_a_pair_remains_to_train_on(tmp_path: Path):
    dataset = prepared(stereo_film(tmp_path / "film.mp4", 4, 1), held_out=0.9)
    assert (len(dataset._train), len(dataset._held_out)) == (1, 3)
    assert dataset.batch(Draws(0, 0), 2).left.shape[0] == 2
