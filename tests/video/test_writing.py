"""Pieces that are joined are one film: all frames in order, of even size, with the sound of another film in step."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from films import ffmpeg, number_of, numbered_film, numbered_frame
from maquette.errors import RunError
from maquette.video.ffmpeg import command
from maquette.video.probing import inspect_video
from maquette.video.reading import read_frames
from maquette.video.writing import Encoding, PieceWriter, join


def write_piece(path: Path, numbers: range, rows: int = 48, rate: Fraction = Fraction(10)) -> Path:
    with PieceWriter(path, (rows, 96), rate, Encoding()) as writer:
        for number in numbers:
            writer.write(numbered_frame(number, rows))
    return path


def loudness(path: Path) -> np.ndarray:
    """Loudness of each hundredth of a second of a film's sound."""
    words = command("-v", "error", "-i", str(path), "-map", "0:a", "-ac", "1", "-ar", "8000", "-f", "s16le", "-")
    samples = np.frombuffer(subprocess.run(words, check=True, capture_output=True).stdout, np.int16).astype(float)
    return np.abs(samples[: len(samples) // 80 * 80]).reshape(-1, 80).mean(1)


def test_joined_pieces_hold_all_frames_in_order(tmp_path: Path):
    pieces = [write_piece(tmp_path / f"{i}.mp4", range(i * 7, i * 7 + 7)) for i in range(4)]
    video = inspect_video(join(pieces, tmp_path / "film.mp4"))
    assert (video.rate, video.frames, video.notes) == (10, 28, ())
    assert [number_of(frame) for frame in read_frames(video)] == list(range(28))


def test_pieces_of_a_broadcast_rate_do_not_drift(tmp_path: Path):
    rate = Fraction(30000, 1001)
    pieces = [write_piece(tmp_path / f"{i}.mp4", range(i * 11, i * 11 + 11), rate=rate) for i in range(5)]
    video = inspect_video(join(pieces, tmp_path / "film.mp4"))
    assert (video.rate, video.frames) == (rate, 55) and not video.notes


def test_sound_is_kept_and_in_step_at_the_end(tmp_path: Path):
    source = inspect_video(numbered_film(tmp_path / "source.mp4", 40, sound=True))
    pieces = [write_piece(tmp_path / f"{i}.mp4", range(i * 10, i * 10 + 10)) for i in range(4)]
    film = inspect_video(join(pieces, tmp_path / "film.mp4", source))
    assert film.sounds == ("aac",) and film.frames == 40
    for path in (source.path, film.path):
        loud = np.flatnonzero(loudness(path) > 500)
        assert loud[0] / 100 == pytest.approx(3.5, abs=0.05) and loud[-1] / 100 == pytest.approx(4.0, abs=0.1)


def test_sound_that_an_mp4_cannot_hold_is_encoded_anew(tmp_path: Path):
    words = ("-c:v", "libx264", "-c:a", "pcm_s16le")
    source = inspect_video(numbered_film(tmp_path / "source.mkv", 20, 10, True, *words))
    film = inspect_video(join([write_piece(tmp_path / "0.mp4", range(20))], tmp_path / "film.mp4", source))
    assert source.sounds == ("pcm_s16le",) and film.sounds == ("aac",)


def test_odd_sizes_are_extended(tmp_path: Path):
    video = inspect_video(write_piece(tmp_path / "film.mp4", range(3), rows=47))
    assert (video.width, video.height) == (96, 48)


def test_a_piece_appears_whole_or_not_at_all(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), PieceWriter(tmp_path / "film.mp4", (48, 96), Fraction(10), Encoding()) as w:
        w.write(numbered_frame(0))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_equal_frames_give_equal_files(tmp_path: Path):
    one, other = (write_piece(tmp_path / name, range(12)).read_bytes() for name in ("one.mp4", "other.mp4"))
    assert one == other


def test_what_ffmpeg_refuses_is_an_error_in_one_line(tmp_path: Path):
    with pytest.raises(RunError, match=r"film\.mp4 cannot be written") as problem:
        join([tmp_path / "missing.mp4"], tmp_path / "film.mp4")
    assert "\n" not in str(problem.value) and not (tmp_path / "film.mp4").exists()


def test_sound_of_a_transport_stream_that_begins_late_stays_in_step(tmp_path: Path):
    film, sound = numbered_film(tmp_path / "film.mp4", 30), tmp_path / "sound.m4a"
    ffmpeg("-f", "lavfi", "-i", "sine=sample_rate=44100", "-t", "1", "-c:a", "aac", str(sound))
    ffmpeg("-i", str(film), "-itsoffset", "1", "-i", str(sound), "-map", "0", "-map", "1", "-c", "copy",
           str(tmp_path / "film.ts"))  # fmt: skip
    joined = join(
        [write_piece(tmp_path / "piece.mp4", range(30))], tmp_path / "out.mp4", inspect_video(tmp_path / "film.ts")
    )
    ffmpeg("-i", str(joined), "-af", "aresample=async=1:first_pts=0", str(tmp_path / "sound.wav"))
    assert np.flatnonzero(loudness(tmp_path / "sound.wav") > 500)[0] / 100 == pytest.approx(1.0, abs=0.06)


def test_each_of_several_sounds_is_copied_or_encoded_as_it_needs(tmp_path: Path):
    ffmpeg("-i", str(numbered_film(tmp_path / "film.mp4", 10, sound=True)), "-map", "0:v", "-map", "0:a", "-map", "0:a",
           "-c", "copy", "-c:a:1", "wmav2", str(tmp_path / "film.mkv"))  # fmt: skip
    source = inspect_video(tmp_path / "film.mkv")
    film = inspect_video(join([write_piece(tmp_path / "piece.mp4", range(10))], tmp_path / "out.mp4", source))
    assert source.sounds == ("aac", "wmav2") and film.sounds == ("aac", "aac")
