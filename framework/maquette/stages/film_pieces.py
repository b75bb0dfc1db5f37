"""Films of a stage, made piece by piece, so that memory does not grow and a stopped run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from maquette.errors import RunError
from maquette.images.pixels import to_bytes
from maquette.training.checkpoints import CheckpointStore
from maquette.training.progress import StepProgress
from maquette.video.probing import VideoInfo
from maquette.video.writing import Encoding, PieceWriter, join

Pictures = Mapping[str, Float[Tensor, "1 H W 3"]]
"""Name of a film -> one frame of it."""
PREVIEWS = 8  # of a film, about
TRIED = 4  # frames of a piece that is only tried


@dataclass(frozen=True)
class FilmPieces:
    """Films of one length, each in a file for every piece until they are joined.

    Args:
        store: of the stage's checkpoints, beside which the pieces lie.
        frames: number of frames, as far as it is known beforehand.
        rate: frames per second.
        piece: frames of a piece, after which a stopped run goes on.
        encoding: of a film by its name.
        source: digest of the files that frames are made of; "": they are made of none.
    """

    store: CheckpointStore
    frames: int
    rate: Fraction
    piece: int
    encoding: Callable[[str], Encoding]
    source: str = ""

    @property
    def folder(self) -> Path:
        """Folder of the pieces, one folder in it for each film."""
        return self.store.folder / "pieces"

    def make(
        self, state: nn.Module, frames_of: Callable[[int, int], Iterator[Pictures]], resume: bool, title: str
    ) -> int:
        """Make the pieces that are not there.

        Args:
            state: what the next piece depends on, as parameters and buffers; saved after each piece.
            frames_of: from a first frame and a number to so many frames, or as many as there are.
            resume: go on after the last checkpoint.
            title: before the bar of progress.

        Returns:
            The number of frames.

        Raises:
            RunError: the pieces that are there were made of other files.
        """
        done = 0
        self.store.prepare()
        if resume and (latest := self.store.latest()):
            done = latest.step
            if latest.load(state, None).get("source", self.source) != self.source:
                raise RunError(
                    "a file that the film is made of is not the one that this run was begun with: "
                    "give that back, or run anew"
                )
        progress = StepProgress(title, self.frames, done)
        try:
            while count := self._write(frames_of(done, self.piece), done, progress):
                done += count
                self.store.save(done, state, None, {"source": self.source})
        finally:
            progress.close()
        return done

    def try_out(self, frames_of: Callable[[int, int], Iterator[Pictures]]) -> tuple[float, ...]:
        """Make two short pieces; returns the seconds of a frame in each. The first compiles kernels."""
        self.store.prepare()
        seconds = []
        for start in (0, TRIED):
            began = time.perf_counter()
            if count := self._write(frames_of(start, TRIED), start, None):
                seconds.append((time.perf_counter() - began) / count)
        return tuple(seconds)

    def _write(self, frames: Iterator[Pictures], start: int, progress: StepProgress | None) -> int:
        """Write the files of one piece; returns its number of frames."""
        writers: dict[str, PieceWriter] = {}
        count = 0
        with ExitStack() as stack:
            for pictures in frames:
                for name, values in pictures.items():
                    if name not in writers:
                        writers[name] = stack.enter_context(self._writer(name, start, values))
                    writers[name].write(to_bytes(values[0].numpy()))
                count += 1
                if progress is not None:
                    progress.update(start + count, "")
        return count

    def _writer(self, name: str, start: int, values: Float[Tensor, "1 H W 3"]) -> PieceWriter:
        path = self.folder / name / f"{start:08d}.mp4"
        return PieceWriter(path, (values.shape[1], values.shape[2]), self.rate, self.encoding(name))

    def previewed(self, start: int) -> bool:
        """Whether the first frame of a piece is shown on the way: about eight of a film are."""
        every = max(self.frames // (PREVIEWS * self.piece), 1)
        return start // self.piece % every == 0

    def join(self, folder: Path, sound: VideoInfo | None = None) -> list[Path]:
        """Join the pieces of each film, but for those that are joined already, and remove them.

        Args:
            folder: of the files.
            sound: the film whose sound is copied.

        Returns:
            One file for each film.
        """
        files = []
        for output in sorted(self.folder.glob("*")):
            files.append(folder / f"{output.name}.mp4")
            pieces = sorted(output.glob("[0-9]*.mp4"))
            if not (output / "joined").exists():
                join(pieces, files[-1], sound)
                (output / "joined").touch()
            for piece in (*pieces, *output.glob(".*.tmp.mp4"), *folder.glob(f".{output.name}.*.tmp.mp4")):
                piece.unlink()
        return files
