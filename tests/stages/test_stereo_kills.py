"""A stereo film whose process is killed at random moments ends in the bytes of one that was left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from films import numbered_film
from killed_films import check_killed

pytestmark = pytest.mark.slow


def test_a_film_that_is_killed_again_and_again_ends_in_the_same_bytes(tmp_path: Path):
    film = numbered_film(tmp_path / "film.mp4", 90, sound=True)

    def words(output: Path) -> list[str]:
        return ["run", "deep3d", "stereo=flat", f"video={film}", f"output={output}", "stages.stereo.piece=6",
                "stages.stereo.smoothing=0.5", "stages.stereo.outputs=[anaglyph,side-by-side]"]  # fmt: skip

    outputs = (tmp_path / "whole", tmp_path / "killed")
    check_killed(*(words(output) for output in outputs), outputs, files=3)
