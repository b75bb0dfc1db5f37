"""Writing of films: pieces of a constant rate, joined without encoding them again, with the sound of another film."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from maquette.errors import RunError
from maquette.files import atomic_path
from maquette.video.ffmpeg import alongside, command, last_words, run
from maquette.video.probing import VideoInfo

CRF = 18  # x264 quality: visually lossless
PRESET = "veryfast"  # of x264
THREADS = 2  # of x264: its frames depend on their number
LOOKAHEAD = 4  # frames that x264 looks ahead; each is held in memory
TIMESCALE = 120_000  # ticks per second, a multiple of all usual rates
COPIED_SOUND = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")  # what an .mp4 may hold


@dataclass(frozen=True)
class Encoding:
    """How frames are encoded.

    Args:
        crf: quality of x264, 0 to 51; less is better.
        side_by_side: the frames hold two views of half the width, which is noted in the stream.
    """

    crf: int = CRF
    side_by_side: bool = False


class PieceWriter:
    """Writes frames to a piece of a film, H.264 in yuv420p, without sound; odd sizes are extended by their edge.

    A context manager. The file appears, whole, when the block ends without an exception.

    Args:
        path: file to write, an .mp4.
        size: rows and columns of the frames.
        rate: frames per second.
        encoding: quality and metadata.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: Fraction, encoding: Encoding) -> None:
        self.path, self._odd = path, tuple((0, side % 2) for side in size)
        rows, columns = (side + side % 2 for side in size)
        parameters = f"rc-lookahead={LOOKAHEAD}" + (":frame-packing=3" if encoding.side_by_side else "")
        self._words = [
            "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{columns}x{rows}", "-r", str(rate),
            "-i", "pipe:0", "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-c:v", "libx264", "-preset", PRESET,
            "-crf", str(encoding.crf), "-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_primaries", "bt709",
            "-color_trc", "bt709", "-color_range", "tv", "-threads", str(THREADS), "-bf", "0",
            "-x264-params", parameters, "-video_track_timescale", str(TIMESCALE), "-f", "mp4", "-y",
        ]  # fmt: skip

    def __enter__(self) -> PieceWriter:
        self._context = atomic_path(self.path)
        place = self._context.__enter__()
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command(*self._words, str(place)), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._errors
        )
        return self

    def write(self, frame: np.ndarray) -> None:
        """Add a frame, bytes [H, W, 3].

        Raises:
            RunError: FFmpeg has failed, with its reason, such as a full disk.
        """
        assert self._process.stdin is not None
        if any(after for _, after in self._odd):
            frame = np.pad(frame, (*self._odd, (0, 0)), mode="edge")
        try:
            self._process.stdin.write(np.ascontiguousarray(frame).data)
        except OSError:
            raise self._failure() from None

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: object) -> None:
        failure: RunError | None = None
        try:
            if kind is None:
                failure = self._end()
        finally:
            self._process.kill()
            self._process.wait()
            self._errors.close()
            if failure is not None:
                kind, problem = type(failure), failure
            try:
                self._context.__exit__(kind, problem, None)
            except RunError as same:
                if same is not failure:
                    raise
        if failure is not None:
            raise failure

    def _end(self) -> RunError | None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            return self._failure()
        return self._failure() if self._process.wait() else None

    def _failure(self) -> RunError:
        self._process.wait()
        self._errors.seek(0)
        reason = last_words(self._errors.read().decode(errors="replace"))
        return RunError(f"{self.path.name} cannot be written: {reason}")


def join(pieces: Sequence[Path], path: Path, sound: VideoInfo | None = None) -> Path:
    """Join pieces to one film, with all the sound of another film, in step with it.

    Args:
        pieces: of one size and rate, in order.
        path: file to write, an .mp4.
        sound: the film whose sound is copied; of codecs that an .mp4 cannot hold, it is encoded as AAC.

    Raises:
        RunError: FFmpeg fails, with its reason.
    """
    with atomic_path(path) as place, tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "pieces.txt"
        quoted = (str(piece.absolute()).replace("'", r"'\''") for piece in pieces)
        listing.write_text("".join(f"file '{piece}'\n" for piece in quoted), encoding="utf-8")
        words = ["-v", "error", "-f", "concat", "-safe", "0", "-i", str(listing)]
        dropped: list[str] = []
        if sound is not None and sound.sounds:
            words += ["-i", str(sound.path), "-map", "0:v:0", "-map", "1:a"]
            for i, codec in enumerate(sound.sounds):
                words += [f"-c:a:{i}", "copy" if codec in COPIED_SOUND else "aac"]
            dropped = alongside(f"1:{sound.stream}")
        words += ["-c:v", "copy", "-video_track_timescale", str(TIMESCALE), "-movflags", "+faststart", "-f", "mp4"]
        words += ["-fflags", "+bitexact", "-flags:a", "+bitexact", "-y", str(place)]
        done = run([*words, *dropped])
        if done.returncode:
            raise RunError(f"{path.name} cannot be written: {last_words(done.stderr)}")
    return path
