"""A stereo film out of a film, piece by piece, so that memory does not grow and a stopped run goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.errors import RunError
from maquette.files import file_hash
from maquette.images.resampling import downsample
from maquette.stages.base import Pace
from maquette.stages.film_pieces import FilmPieces, Pictures
from maquette.stereo.base import Depth3D, Estimate, Stereo
from maquette.training.checkpoints import CheckpointStore
from maquette.video.probing import VideoInfo
from maquette.video.reading import read_frames
from maquette.video.writing import Encoding

_log = logging.getLogger(__name__)

CUT = 0.12  # mean difference of two frames, reduced, at which a new shot begins
THUMBNAIL = 16  # side of the frames that are compared
HALF = "half-side-by-side"


@dataclass(frozen=True)
class FilmSettings:
    """How a film is made.

    Args:
        depth: strength and convergence.
        smoothing: weight of the frames before in an exponential average of estimates, within a shot; 0: none.
        piece: frames of a piece, after which a run may be stopped and go on.
        batch: frames that are estimated together.
        crf: quality of x264.
    """

    depth: Depth3D
    smoothing: float
    piece: int
    batch: int
    crf: int


class FilmState(nn.Module):
    """What the next piece of a film depends on: the average of estimates so far, and the frame before.

    Buffers of size 0 mean that there is none.
    """

    average: Tensor
    thumbnail: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("average", "thumbnail"):
            self.register_buffer(name, torch.zeros(0))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        for name in ("average", "thumbnail"):  # they take the size of what is loaded
            setattr(self, name, state_dict[prefix + name].clone())

    def smoothed(self, estimate: Estimate, left: Float[Tensor, "B H W 3"], weight: float) -> Estimate:
        """Estimates of successive frames, averaged within each shot."""
        parts, values = [], estimate.values
        for i, thumbnail in enumerate(downsample(left, THUMBNAIL)):
            continues = self.thumbnail.numel() > 0 and float((thumbnail - self.thumbnail).abs().mean()) < CUT
            before = self.average if continues else None
            self.average = estimate.with_values(values[i : i + 1]).smoothed(before, weight).values
            self.thumbnail = thumbnail
            parts.append(self.average)
        return estimate.with_values(torch.cat(parts))


class StereoFilm:
    """A conversion of one film.

    Args:
        video: the film.
        stereo: makes the right views.
        layouts: makes the pictures of each output of left views, right views and shifts.
        settings: how the film is made.
        store: of the checkpoints, beside which the pieces lie.
        preview: is given the number and the pictures of a frame now and then.
    """

    def __init__(
        self, video: VideoInfo, stereo: Stereo, layouts: Callable[..., Pictures], settings: FilmSettings,
        store: CheckpointStore, preview: Callable[[int, Tensor, Pictures], None],
    ) -> None:  # fmt: skip
        self.video, self.stereo, self.layouts, self.settings, self.preview = video, stereo, layouts, settings, preview

        def encoding(name: str) -> Encoding:
            return Encoding(settings.crf, side_by_side=name == HALF)

        self.pieces = FilmPieces(store, video.frames, video.rate, settings.piece, encoding, file_hash(video.path))

    def try_out(self) -> Pace:
        """Convert the first frames of the film."""
        with closing(read_frames(self.video)) as stream:
            seconds = self.pieces.try_out(lambda start, count: self._piece(FilmState(), islice(stream, count), start))
        return Pace(self.video.frames, seconds)

    def make(self, folder: Path, resume: bool, title: str) -> list[Path]:
        """Make the film's pieces that are not there, and join them; returns one file for each output.

        Args:
            folder: of the files.
            resume: go on after the last checkpoint.
            title: before the bar of progress.
        """
        state, read = FilmState(), 0
        with closing(read_frames(self.video)) as stream:

            def frames_of(start: int, count: int) -> Iterator[Pictures]:
                nonlocal read
                skipped, read = max(start - read, 0), start + count
                return self._piece(state, islice(stream, skipped, skipped + count), start)

            done = self.pieces.make(state, frames_of, resume, title)
        if not done:
            raise RunError(f"{self.video.path.name} has no frames")
        if done < self.video.frames - 1:
            _log.warning("%d of %d frames could be read; the film ends there", done, self.video.frames)
        return self.pieces.join(folder, self.video)

    def _piece(self, state: FilmState, frames: Iterator[np.ndarray], start: int) -> Iterator[Pictures]:
        """The pictures of each frame of a piece: estimates are made together, full frames one at a time."""
        previewed = self.pieces.previewed(start)
        while batch := list(islice(frames, self.settings.batch)):
            left = torch.from_numpy(np.stack(batch)).float().div_(255)
            estimate = self.stereo.estimate(left)
            if self.settings.smoothing:
                estimate = state.smoothed(estimate, left, self.settings.smoothing)
            for values, frame in zip(estimate.values.split(1), left.split(1), strict=True):
                view = estimate.with_values(values).right_view(frame, self.settings.depth)
                pictures = self.layouts(frame, view)
                if previewed:
                    self.preview(start, frame, pictures)
                previewed = False
                yield pictures
