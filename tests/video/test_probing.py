"""What a film is: its size as shown, rate and frames, and in one line what reading converts; others are refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from films import ffmpeg, numbered_film
from maquette.errors import ConfigError
from maquette.video.probing import inspect_video

H264 = ("-c:v", "libx264", "-crf", "20")


def test_an_ordinary_film_has_nothing_to_convert(tmp_path: Path):
    video = inspect_video(numbered_film(tmp_path / "film.mp4", 30, sound=True))
    assert (video.width, video.height, video.rate, video.frames) == (96, 48, 10, 30)
    assert (video.sound, video.packing, video.notes) == ("aac", "", ()) and video.seconds == 3.0


def test_a_broadcast_rate_is_exact(tmp_path: Path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=30000/1001", "-t", "2", *H264, str(tmp_path / "film.mkv"))
    video = inspect_video(tmp_path / "film.mkv")
    assert video.rate == Fraction(30000, 1001) and video.frames == 60 and not video.notes


def test_a_variable_rate_is_said_and_keeps_the_duration(tmp_path: Path):
    words = ("-vf", "setpts='if(lt(N,20),N*0.1,2+(N-20)*0.2)/TB'", "-fps_mode", "vfr", *H264, "-pix_fmt", "yuv420p")
    video = inspect_video(numbered_film(tmp_path / "film.mp4", 45, 10, False, *words))
    assert len(video.notes) == 1 and "variable frame rate" in video.notes[0]
    assert video.seconds == pytest.approx(7.0, abs=0.2)


def test_a_turned_film_is_upright(tmp_path: Path):
    flat = numbered_film(tmp_path / "flat.mp4", 5)
    ffmpeg("-display_rotation", "90", "-i", str(flat), "-c", "copy", str(tmp_path / "film.mp4"))
    video = inspect_video(tmp_path / "film.mp4")
    assert (video.width, video.height) == (48, 96) and "a rotation of" in video.notes[0]


def test_ten_bits_odd_sizes_and_wide_pixels_are_said(tmp_path: Path):
    words = ("-vf", "crop=95:47,setsar=4/3", "-c:v", "libx264", "-pix_fmt", "yuv444p10le")
    video = inspect_video(numbered_film(tmp_path / "film.mkv", 5, 10, False, *words))
    assert (video.width, video.height) == (127, 47)
    assert [note.split(",")[0] for note in video.notes] == [
        "pixels of 4:3", "10 bits a channel", "an odd size of 127 x 47",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["text.mp4", "empty.mp4", "sound.m4a", "header.mp4", "missing.mp4"])
def test_what_is_no_film_is_refused_in_one_line(tmp_path: Path, name):
    path = tmp_path / name
    if name == "text.mp4":
        path.write_text("no film")
    if name == "empty.mp4":
        path.touch()
    if name == "sound.m4a":
        ffmpeg("-f", "lavfi", "-i", "sine", "-t", "1", "-c:a", "aac", str(path))
    if name == "header.mp4":
        ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10", "-frames:v", "0", *H264, str(path))
    message = {"sound.m4a": "it has sound and no film", "missing.mp4": "there is no film"}.get(name, "film|frames")
    with pytest.raises(ConfigError, match=message) as refusal:
        inspect_video(path)
    assert "\n" not in str(refusal.value)
