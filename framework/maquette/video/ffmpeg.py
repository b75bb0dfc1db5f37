"""FFmpeg's program, as imageio-ffmpeg brings it, and its last words when it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


def command(*words: str) -> list[str]:
    """FFmpeg with words; it says errors only and reads nothing from the terminal."""
    import imageio_ffmpeg

    return [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", *words]


def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run FFmpeg to its end; `stdout` and `stderr` are text."""
    return subprocess.run(
        command(*words), capture_output=True, text=True, encoding="utf-8", errors="replace", check=False
    )


def alongside(streams: str) -> list[str]:
    """Words that read further streams and drop them.

    FFmpeg counts time from the first stream that it reads. In some files, such as MPEG transport streams, sound and
    picture begin at different times; where both are read, both are counted from the beginning of the file.

    Args:
        streams: as `-map` takes them, such as `0:a`.
    """
    return ["-map", streams, "-c", "copy", "-f", "null", "-"]


def last_words(text: str) -> str:
    """The last line of FFmpeg's messages, without the address of the part that wrote it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rpartition("] ")[2] if lines else "it ended without a word"
