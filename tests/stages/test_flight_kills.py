"""A flight whose process is killed at random moments ends in the bytes of one that was left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from killed_films import check_killed
from small_landscapes import saved_generator

pytestmark = pytest.mark.slow


def test_a_flight_that_is_killed_again_and_again_ends_in_the_same_bytes(tmp_path: Path):
    weights = saved_generator(tmp_path / "weights")
    world = "{size: 64, scale: 0.125, tree_scale: 0.3, unbounded: true, relief: true, beyond: 8}"

    def words(output: Path) -> list[str]:
        return ["run", "scenedreamer", "seed=3", f"landscape.weights={weights}", f"landscape.world={world}",
                f"output={output}", "stages.flight.piece=4", "stages.flight.size=[48,64]", "stages.flight.stills=1",
                "stages.flight.flight={frames: 60, length: 24, bends: 2}", "stages.flight.texture_size=32"]  # fmt: skip

    outputs = (tmp_path / "whole", tmp_path / "killed")
    check_killed(*(words(output) for output in outputs), outputs, files=9)
