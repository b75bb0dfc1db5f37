"""What a film is: its size as shown, rate and frames, and in one line what reading converts; others are refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from films import ffmpeg, numbered_film
from maquette.errors import ConfigError
from maquette.video.probing import _bits, inspect_video
from maquette.video.reading import read_frames

H264 = ("-c:v", "libx264", "-crf", "20")


def test_an_ordinary_film_has_nothing_to_convert(tmp_path: Path):
    video = inspect_video(numbered_film(tmp_path / "film.mp4", 30, sound=True))
    assert (video.width, video.height, video.rate, video.frames) == (96, 48, 10, 30)
    assert (video.sounds, video.packing, video.notes) == (("aac",), "", ()) and video.seconds == 3.0


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


@pytest.mark.parametrize("words", [
    ("film.avi", "-c:v", "mpeg4", "-bf", "2"), ("film.mpg", "-c:v", "mpeg2video", "-r", "25"),
    ("film.h264", "-c:v", "libx264", "-bf", "2"),
])  # fmt: skip
def test_files_whose_packets_have_no_times_of_display_are_counted_by_those_of_decoding(tmp_path: Path, words):
    name, *codec = words
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-t", "2", *codec, str(tmp_path / name))
    video = inspect_video(tmp_path / name)
    assert video.rate == 25 and video.frames == pytest.approx(50, abs=2) and not video.notes


def test_a_picture_is_no_film(tmp_path: Path):
    for name in ("picture.png", "picture.jpg"):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", "1", str(tmp_path / name))
        with pytest.raises(ConfigError, match=r"is a picture and no film; .*image="):
            inspect_video(tmp_path / name)


@pytest.mark.parametrize(("pixels", "bits"), [
    ("gray10le", 10), ("rgb48le", 16), ("p010le", 10), ("yuv422p12le", 12), ("yuv420p", 0), ("rgb24", 0),
])  # fmt: skip
def test_bits_of_a_channel_are_read_from_the_name_of_the_pixels(pixels, bits):
    assert _bits(f"ffv1, {pixels}(tv, progressive), 640x480, 25 fps") == bits


def test_too_fast_a_film_is_said(tmp_path: Path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=480", "-t", "0.5", *H264, str(tmp_path / "film.mp4"))
    video = inspect_video(tmp_path / "film.mp4")
    assert video.rate == 240 and video.notes == ("more than 240 frames a second, read at 240",)


def test_of_several_films_in_a_file_the_default_one_is_taken(tmp_path: Path):
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=32x32:rate=10", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10",
        "-t", "1", "-map", "0", "-map", "1", *H264, "-disposition:v:0", "0", "-disposition:v:1", "default",
        str(tmp_path / "film.mkv"),
    )  # fmt: skip
    video = inspect_video(tmp_path / "film.mkv")
    assert (video.stream, video.width, video.height) == (1, 64, 48)
    assert next(read_frames(video)).shape == (48, 64, 3)
