"""Deep3D's benchmark: how it counts; and, as a claim, what the shipped weights do on held-out clips."""

from __future__ import annotations

import deep3d
import pytest
import torch

from maquette.config.parts import part
from maquette.stereo.base import Depth3D, RightView
from maquette_nano.stereo import StereoClips, load_clips


def clips_of(shift: int, count: int = 5) -> StereoClips:
    """Pairs whose content lies `shift` columns behind the screen, in bytes."""
    left = torch.randint(0, 256, (count, 6, 40, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    moved = left.roll(shift, 2)
    shifts = torch.full((count, 6, 40), 16 * shift, dtype=torch.int8)
    hidden = torch.zeros(count, 6, 40, dtype=torch.bool)
    hidden[..., :shift] = True
    return StereoClips(left, moved, shifts, shifts, hidden)


def test_a_perfect_right_view_has_no_difference_and_all_detail():
    pairs = clips_of(2).select(torch.arange(5))
    figures = deep3d.measure(RightView(pairs.right, None), pairs)
    assert (figures["difference"], figures["inside"], figures["detail"]) == (0, 0, 1) and "correlation" not in figures


def test_the_best_constant_is_the_shift_of_all_pixels():
    columns, rows = deep3d.best_constant(clips_of(2), 1)
    assert columns == 2.0 and rows[0]["outside"] == pytest.approx(0, abs=1e-4) and rows[0]["inside"] > 1


def test_true_shifts_warp_to_the_right_view():
    pairs = clips_of(2).select(torch.arange(5))
    assert deep3d.measure(deep3d.true_warp(pairs), pairs)["outside"] == pytest.approx(0, abs=1e-4)


def test_claims_are_paired_over_clips():
    names = ["deep3d", "constant", "direct regression", "depth, then warp", "true depth, then warp", "no shift",
             "without side branches"]  # fmt: skip
    rows = {name: [{"difference": float(i + 2), "correlation": 0.5}] * 4 for i, name in enumerate(names)}
    rows["usual shift of the pixel"] = [{"correlation": 0.25}] * 4
    claims = deep3d.summary(rows)["claims"]
    assert claims["difference as a fraction of the best constant's"]["of means"] == pytest.approx(2 / 3, abs=1e-4)
    assert claims["difference minus that of direct regression"]["mean"] == -2.0


@pytest.mark.claims
def test_deep3d_beats_the_best_constant_and_finds_depth_on_held_out_clips(tmp_path):
    clips = 8
    test = load_clips("test", clips, deep3d.FRAMES, str(tmp_path))
    maker = part("stereo", "deep3d", weights="nano-deep3d", compose="mixture").build()
    ours, correlations = [], []
    for clip in range(clips):
        pairs = test.select(torch.arange(clip * deep3d.FRAMES, (clip + 1) * deep3d.FRAMES))
        figures = deep3d.measure(maker.estimate(pairs.left).right_view(pairs.left, Depth3D()), pairs)
        ours.append(figures["difference"])
        correlations.append(figures["correlation"])
    constant = [row["difference"] for row in deep3d.best_constant(test, clips)[1]]
    assert sum(ours) <= deep3d.BARS["difference to the best constant"] * sum(constant)
    assert sum(correlations) / clips >= deep3d.BARS["correlation of shifts"]
