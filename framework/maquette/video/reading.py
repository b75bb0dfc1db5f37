"""Frames of a film one after the other, at a constant rate; no more than one is in memory."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Generator, Iterable
from contextlib import closing
from itertools import islice

import numpy as np

from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.video.ffmpeg import alongside, command, last_words
from maquette.video.probing import VideoInfo


def read_frames(
    video: VideoInfo, size: tuple[int, int] | None = None, start: float = 0.0
) -> Generator[np.ndarray, None, None]:
    """The frames of a film, upright and in square pixels, bytes [H, W, 3].

    Of a variable rate, frames are repeated or left out so that the rate is constant. The first frame is at the
    beginning of the file, so that frames are in step with its sound. Close the generator to stop FFmpeg.

    Args:
        video: what `inspect_video` says of it.
        size: rows and columns; None: its own.
        start: seconds to skip.

    Raises:
        ConfigError: FFmpeg fails before the first frame.
    """
    rows, columns = size or (video.height, video.width)
    filters = f"fps={video.rate}:start_time=0,scale={columns}:{rows}:flags=area,setsar=1"
    words = command(
        "-v", "error", *(["-ss", f"{start:.6f}"] if start else []), "-threads", "1", "-i", str(video.path),
        "-map", f"0:{video.stream}", "-vf", filters, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1",
        *(alongside("0:a") if video.sounds else ()),
    )  # fmt: skip
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        count, length = 0, rows * columns * 3
        try:
            while len(data := process.stdout.read(length)) == length:
                count += 1
                yield np.frombuffer(data, np.uint8).reshape(rows, columns, 3)
            if process.wait() and not count:
                errors.seek(0)
                reason = last_words(errors.read().decode(errors="replace"))
                raise ConfigError(
                    f"no frame of {display_path(video.path)} can be read: {reason}", key="video",
                    hint="encode it again, or give another film",
                )  # fmt: skip
        finally:
            process.stdout.close()
            process.kill()
            process.wait()


def frames_at(video: VideoInfo, seconds: Iterable[float], size: tuple[int, int]) -> list[np.ndarray]:
    """Single frames at some times, those that can be read; bytes [H, W, 3]."""
    frames = []
    for time in seconds:
        with closing(read_frames(video, size, time)) as stream:
            frames += list(islice(stream, 1))
    return frames
