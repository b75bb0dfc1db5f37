"""Two views in a frame are recognised by their edges; stripes, flat frames and single views are not taken for them."""

from __future__ import annotations

import numpy as np
import pytest

from maquette.stereo.packing import packing_of


def scene(seed: int, rows: int = 90, columns: int = 160) -> np.ndarray:
    """Random boxes of random colours."""
    keyed = np.random.default_rng(seed)
    frame = np.full((rows, columns, 3), 120, np.uint8)
    for _ in range(60):
        y, x = keyed.integers(0, rows - 5), keyed.integers(0, columns - 5)
        frame[y : y + keyed.integers(4, 30), x : x + keyed.integers(4, 30)] = keyed.integers(0, 255, 3)
    return frame


def test_two_views_side_by_side_or_over_and_under_are_recognised():
    views = [(scene(seed), np.roll(scene(seed), 3, axis=1)) for seed in range(3)]
    assert packing_of([np.concatenate(pair, axis=1) for pair in views]) == "side by side"
    assert packing_of([np.concatenate(pair, axis=0) for pair in views]) == "over and under"


@pytest.mark.parametrize(
    "frames",
    [
        [scene(seed) for seed in range(4)],
        [np.zeros((90, 160, 3), np.uint8)],
        [np.repeat(np.random.default_rng(0).integers(0, 255, (1, 160, 3), np.uint8), 90, axis=0)],
        [np.repeat(np.linspace(0, 255, 90).astype(np.uint8)[:, None, None], 160, axis=1).repeat(3, axis=2)],
        [],
    ],
    ids=["boxes", "black", "stripes", "sky", "none"],
)
def test_one_view_is_one_view(frames):
    assert packing_of(frames) == ""
