"""What a film is: size as shown, frame rate, number of frames, sound; and what reading it converts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.video.ffmpeg import alongside, last_words, run

BROADCAST = tuple(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120))
STEADY = 0.02  # relative difference of two frames' durations, besides a tick, below which a rate is constant
FASTEST = 240  # frames per second that a film is read at, at most
_STREAM = re.compile(r"Stream #0:(\d+)[^:]*: (Video|Audio): (.*)")
_SIZE = re.compile(r"(?<![\dx])(\d{1,5})x(\d{1,5})(?:,? |,|$)")
_DEPTH = re.compile(r"\b(?:yuva?\d{3}p|gbra?p|gray|ya|p0|p[24]|rgba?|bgra?|x2rgb|x2bgr|xyz)(\d\d)(?:le|be)\b")
_PICTURE = re.compile(r"^Input #0, (\w+_pipe|image2)\b", re.MULTILINE)
UNKNOWN = -(2**63)  # FFmpeg's time of a packet that has none


@dataclass(frozen=True)
class VideoInfo:
    """A film, as it is shown and read.

    Args:
        path: the file.
        width, height: in square pixels, turned as its metadata says.
        rate: frames per second at which it is read; constant.
        frames: number of frames at that rate, to within one.
        stream: number of its stream of frames in the file.
        sounds: codec of each of its sounds; none: it is silent.
        packing: how its two views are packed, as its metadata says, such as "side by side"; "": it has one.
        notes: what reading it converts, each in a few words.
    """

    path: Path
    width: int
    height: int
    rate: Fraction
    frames: int
    stream: int
    sounds: tuple[str, ...]
    packing: str
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Duration."""
        return float(self.frames / self.rate)


def inspect_video(path: Path, key: str = "video") -> VideoInfo:
    """What a film is; none of its frames is decoded.

    Args:
        path: the file.
        key: config key, for messages.

    Raises:
        ConfigError: there is no such file, it is no film but a picture or something else, or it has no frames.
    """
    name = display_path(path)
    if not path.is_file():
        raise ConfigError(f"there is no film {name}", key=key, hint="give the path of a video file")
    text = run(["-i", str(path)]).stderr
    if _PICTURE.search(text):
        raise ConfigError(
            f"{name} is a picture and no film", key=key, hint="give a video file; a picture is image=FILE"
        )
    streams = [match.groups() for match in map(_STREAM.search, text.splitlines()) if match]
    films = [(int(index), words) for index, kind, words in streams if kind == "Video" and "attached pic" not in words]
    sounds = tuple(words.split()[0].rstrip(",") for _, kind, words in streams if kind == "Audio")
    if not films:
        reason = "it has sound and no film" if sounds else last_words(text)
        raise ConfigError(f"{name} is no film: {reason}", key=key, hint="give a video file, such as an .mp4")
    index, words = next((film for film in films if "(default)" in film[1]), films[0])
    size = _SIZE.search(words)
    if size is None or not int(size[1]) * int(size[2]):
        raise ConfigError(f"{name} does not say the size of its frames: {words}", key=key, hint="encode it again")
    times, tick = _times(path, index, bool(sounds))
    if not times:
        raise ConfigError(f"{name} has no frames", key=key, hint="give a film that plays")
    rate, steady = _rate(words, times, tick)
    seconds = times[-1] + 1 / float(rate)  # from the beginning of the file, where its sound may be earlier
    width, height, notes = _displayed(words, text, int(size[1]), int(size[2]))
    if rate == FASTEST:
        notes.append(f"more than {FASTEST} frames a second, read at {FASTEST}")
    elif not steady:
        notes.append(f"a variable frame rate, read at {float(rate):.5g} a second")
    packing = re.search(r"stereo3d: ([^,(\n]+)", text)
    return VideoInfo(
        path, width, height, rate, max(round(seconds * rate), 1), index, sounds,
        packing[1].strip() if packing and packing[1].strip() != "2D" else "", tuple(notes),
    )  # fmt: skip


def _times(path: Path, index: int, sounds: bool) -> tuple[list[float], float]:
    """Times of all frames in seconds, sorted, and the length of a tick; packets are listed and not decoded.

    In some files, such as MPEG program streams, not every packet has the time at which it is shown: then the times are
    those of decoding, which are as many and as far apart.
    """
    text = run(
        ["-v", "error", "-i", str(path), "-map", f"0:{index}", "-c", "copy", "-copyts", "-start_at_zero",
         "-f", "framecrc", "-", *(alongside("0:a") if sounds else ())]
    ).stdout  # fmt: skip
    base = re.search(r"#tb 0: (\d+)/(\d+)", text)
    tick = int(base[1]) / int(base[2]) if base else 1.0
    rows = [line.split(",") for line in text.splitlines() if line and not line.startswith("#")]
    decoding, display = ([int(row[column]) for row in rows if len(row) > 4] for column in (1, 2))
    times = decoding if UNKNOWN in display else display
    return sorted(time * tick for time in times if time != UNKNOWN), tick


def _rate(words: str, times: list[float], tick: float) -> tuple[Fraction, bool]:
    """Frames per second, and whether they are constant."""
    named = re.search(r"([\d.]+)(k?) fps", words) or re.search(r"([\d.]+)(k?) tbr", words)
    rate = Fraction(named[1]) * (1000 if named[2] else 1) if named else Fraction(25)
    steps = [after - before for before, after in pairwise(times)]
    if steps and (mean := (times[-1] - times[0]) / len(steps)) > 0:
        steady = max(abs(step - mean) for step in steps) <= 1.01 * tick + STEADY * mean
        if not named or abs(float(rate) * mean - 1) > STEADY:
            rate = Fraction(1 / mean).limit_denominator(1001)
    else:
        steady = True
    near = [broadcast for broadcast in BROADCAST if abs(float(broadcast - rate)) < 0.006]
    rate = near[0] if near else rate.limit_denominator(1001)
    return min(max(rate, Fraction(1, 10)), Fraction(FASTEST)), steady


def _displayed(words: str, text: str, width: int, height: int) -> tuple[int, int, list[str]]:
    """Size in square pixels, turned upright; and notes on what that takes."""
    notes = []
    aspect = re.search(r"SAR (\d+):(\d+)", words)
    if aspect and 0 not in (int(aspect[1]), int(aspect[2])) and aspect[1] != aspect[2]:
        width = max(round(width * int(aspect[1]) / int(aspect[2])), 1)
        notes.append(f"pixels of {aspect[1]}:{aspect[2]}, made square")
    turned = re.search(r"rotation of (-?[\d.]+) degrees", text)
    if turned and round(float(turned[1])) % 360:
        notes.append(f"a rotation of {float(turned[1]):g} degrees, applied")
        if round(float(turned[1])) % 180 == 90:
            width, height = height, width
    if bits := _bits(words):
        notes.append(f"{bits} bits a channel, rounded to 8")
    if "smpte2084" in words or "arib-std-b67" in words:
        notes.append("high dynamic range, not mapped to the screen's")
    if width % 2 or height % 2:
        notes.append(f"an odd size of {width} x {height}, whose last row or column is repeated")
    return width, height, notes


def _bits(words: str) -> int:
    """Bits of a channel of a film's pixels, where they are more than 8; else 0. RGB is named by the bits of a pixel."""
    named = _DEPTH.search(words)
    if not named:
        return 0
    bits = int(named[1])
    return 16 if bits >= 48 else bits
