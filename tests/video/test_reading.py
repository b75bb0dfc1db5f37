"""Frames come in order, at a constant rate, from the beginning of the file or from a time on."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from films import ffmpeg, number_of, numbered_film, numbered_frame
from maquette.errors import ConfigError
from maquette.video.probing import inspect_video
from maquette.video.reading import frames_at, read_frames


def test_frames_come_in_order_and_are_close_to_what_was_written(tmp_path: Path):
    video = inspect_video(numbered_film(tmp_path / "film.mp4", 25))
    frames = list(read_frames(video))
    assert [number_of(frame) for frame in frames] == list(range(25))
    assert np.abs(frames[7].astype(int) - numbered_frame(7)).mean() < 6


def test_a_variable_rate_is_read_at_a_constant_one(tmp_path: Path):
    words = ("-vf", "setpts='if(lt(N,10),N*0.1,1+(N-10)*0.2)/TB'", "-fps_mode", "vfr", "-c:v", "libx264", "-crf", "12")
    video = inspect_video(numbered_film(tmp_path / "film.mp4", 20, 10, False, *words))
    numbers = [number_of(frame) for frame in read_frames(video)]
    times = np.arange(len(numbers)) / float(video.rate)
    expected = np.where(times < 1, times / 0.1, 10 + (times - 1) / 0.2)
    assert abs(len(numbers) - video.frames) <= 1 and numbers == sorted(numbers)
    assert np.abs(np.array(numbers) - expected).max() <= 1.5


def test_a_turned_film_is_read_upright(tmp_path: Path):
    ffmpeg("-display_rotation", "180", "-i", str(numbered_film(tmp_path / "flat.mp4", 5)), "-c", "copy",
           str(tmp_path / "film.mp4"))  # fmt: skip
    frames = list(read_frames(inspect_video(tmp_path / "film.mp4")))
    assert [number_of(frame[::-1, ::-1]) for frame in frames] == list(range(5))


def test_frames_at_some_times_are_read_alone(tmp_path: Path):
    video = inspect_video(numbered_film(tmp_path / "film.mp4", 40))
    assert [number_of(frame) for frame in frames_at(video, [0.5, 2.5], (48, 96))] == [5, 25]


def test_reading_stops_when_the_generator_is_closed(tmp_path: Path):
    video = inspect_video(numbered_film(tmp_path / "film.mp4", 40))
    with closing(read_frames(video)) as stream:
        assert len(list(islice(stream, 3))) == 3


def test_a_film_whose_frames_cannot_be_decoded_is_refused(tmp_path: Path):
    path = numbered_film(tmp_path / "film.mp4", 20, 10, False, "-c:v", "libx264", "-movflags", "+faststart")
    video = inspect_video(path)
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin:] = b"\xff" * (len(data) - begin)
    path.write_bytes(bytes(data))
    with pytest.raises(ConfigError, match=r"no frame of .* can be read"):
        list(read_frames(video))


def test_frames_of_a_transport_stream_are_counted_from_its_beginning(tmp_path: Path):
    film, sound = numbered_film(tmp_path / "film.mp4", 10), tmp_path / "sound.m4a"
    ffmpeg("-f", "lavfi", "-i", "sine", "-t", "2", "-c:a", "aac", str(sound))
    ffmpeg("-itsoffset", "0.5", "-i", str(film), "-i", str(sound), "-map", "0", "-map", "1", "-c", "copy",
           str(tmp_path / "film.ts"))  # fmt: skip
    video = inspect_video(tmp_path / "film.ts")
    numbers = [number_of(frame) for frame in read_frames(video)]
    assert numbers[-5:] == [5, 6, 7, 8, 9] and len(numbers) == pytest.approx(15, abs=1) == video.frames
