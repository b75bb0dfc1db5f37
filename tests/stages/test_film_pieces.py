"""Films in pieces: as many frames as there are, joined once, gone on with after the last whole piece."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import nn

from maquette.stages.film_pieces import FilmPieces, Pictures
from maquette.training.checkpoints import CheckpointStore
from maquette.video.probing import inspect_video
from maquette.video.reading import read_frames
from maquette.video.writing import Encoding

COUNT = 11


def pieces_of(folder: Path) -> FilmPieces:
    return FilmPieces(CheckpointStore(folder), COUNT, Fraction(10), 4, lambda name: Encoding())


def frames_of(start: int, count: int) -> Iterator[Pictures]:
    for frame in range(start, min(start + count, COUNT)):
        yield {name: torch.full((1, 16, 16, 3), frame / COUNT) for name in ("one", "two")}


def test_pieces_are_joined_to_films_of_all_frames(tmp_path: Path):
    pieces = pieces_of(tmp_path)
    assert pieces.make(nn.Module(), frames_of, False, "film") == COUNT
    assert len(list(pieces.folder.glob("one/*.mp4"))) == 3
    files = pieces.join(tmp_path)
    assert [file.name for file in files] == ["one.mp4", "two.mp4"] and not list(pieces.folder.glob("*/*.mp4"))
    brightness = [frame.mean() for frame in read_frames(inspect_video(files[0]))]
    assert len(brightness) == COUNT and brightness == sorted(brightness)


def test_a_stopped_film_begins_again_after_its_last_whole_piece(tmp_path: Path):
    asked: list[int] = []

    def broken(start: int, count: int) -> Iterator[Pictures]:
        asked.append(start)
        yield from list(frames_of(start, count))[: 2 if start == 4 and len(asked) == 2 else count]
        if len(asked) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pieces_of(tmp_path).make(nn.Module(), broken, False, "film")
    assert pieces_of(tmp_path).make(nn.Module(), broken, True, "film") == COUNT
    assert asked == [0, 4, 4, 8, 11]
