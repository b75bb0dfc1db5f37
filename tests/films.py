"""Films for tests, made by FFmpeg: frames that tell their number, sounds at known times, and unusual files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from maquette.video.ffmpeg import command

BITS = 10  # of a frame's number


def ffmpeg(*words: str) -> None:
    """Run FFmpeg, which must succeed."""
    subprocess.run(command("-v", "error", "-y", *words), check=True, capture_output=True)


def numbered_frame(number: int, rows: int = 48, columns: int = 96) -> np.ndarray:
    """A frame that holds its number as a row of bright and dark squares; below it a wave moves."""
    frame = np.full((rows, columns, 3), 90, np.uint8)
    side = columns // BITS
    for bit in range(BITS):
        frame[: rows // 2, bit * side : (bit + 1) * side] = 230 if number >> bit & 1 else 20
    wave = 120 + 80 * np.sin((np.arange(columns)[None, :] + 3 * number) / 5 + np.arange(rows // 2)[:, None] / 3)
    frame[rows - rows // 2 :] = wave[..., None].astype(np.uint8)
    return frame


def number_of(frame: np.ndarray) -> int:
    """The number that a frame holds."""
    rows, columns = frame.shape[:2]
    side = columns // BITS
    return sum(
        1 << bit
        for bit in range(BITS)
        if frame[rows // 8 : rows // 3, bit * side + side // 3 : bit * side + side * 2 // 3].mean() > 125
    )


def numbered_film(path: Path, frames: int, rate: int = 10, sound: bool = False, *words: str) -> Path:
    """A film of numbered frames; its sound is silent but for a tone in the last half second.

    Args:
        words: further words of FFmpeg for the output.
    """
    data = np.stack([numbered_frame(number) for number in range(frames)])
    source = path.with_suffix(".rgb")
    source.write_bytes(data.tobytes())
    size = f"{data.shape[2]}x{data.shape[1]}"
    seconds = frames / rate
    tone = f"sine=frequency=1000:sample_rate=44100:duration={seconds},volume='gte(t,{seconds - 0.5})':eval=frame"
    inputs = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(rate), "-i", str(source)]
    inputs += ["-f", "lavfi", "-i", tone] if sound else []
    output = words or ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "12", "-c:a", "aac")
    ffmpeg(*inputs, *output, str(path))
    source.unlink()
    return path
