"""Nano stereo clips: true shifts give the right view, near things have negative ones, and batches are keyed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from maquette.randomness import Draws
from maquette.stereo.base import Depth3D
from maquette.stereo.estimates import LeftShifts
from maquette_nano.stereo import NanoStereo, _mirrored, load_clips
from maquette_nano.stereo_backdrop import Surface, render_backdrop
from maquette_nano.stereo_scenes import CONVERGENCE_SHIFT, StereoFrames, occlusions, sample_scene


@pytest.fixture(scope="module")
def frames() -> StereoFrames:
    return sample_scene(3, "validation").render([0.0, 3.0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


def test_the_left_view_at_true_shifts_is_the_right_view(frames: StereoFrames):
    visible = ~frames.occluded[0]
    columns = np.arange(144) - frames.right_shift[0]
    index = np.clip(np.floor(columns).astype(int), 0, 142)
    fraction = np.clip(columns - index, 0, 1)[..., None]
    left = frames.left[0]
    before, after = (np.take_along_axis(left, (index + i)[..., None], 1) for i in (0, 1))
    difference = np.abs(before * (1 - fraction) + after * fraction - frames.right[0]).mean(-1)
    unshifted = np.abs(left - frames.right[0]).mean(-1)
    assert difference[visible].mean() < 0.01 and difference[visible].mean() < 0.3 * unshifted[visible].mean()
    assert difference[frames.occluded[0]].mean() > 3 * difference[visible].mean()


def test_a_warp_by_true_left_shifts_gives_the_right_view_too(frames: StereoFrames):
    left = torch.from_numpy(frames.left[:1])
    shifts = torch.from_numpy(frames.left_shift[:1])[:, None] / 144
    view = LeftShifts(shifts).right_view(left, Depth3D())
    difference = np.abs(view.rgb[0].numpy() - frames.right[0]).mean(-1)
    assert difference[~frames.occluded[0]].mean() < 0.02


def test_near_ground_at_the_bottom_has_smaller_shifts_than_the_wall_at_the_top(frames: StereoFrames):
    assert frames.right_shift[0, -1].mean() < 0 < frames.right_shift[0, 0].mean()
    assert frames.right_shift.max() < CONVERGENCE_SHIFT


def test_frames_of_a_clip_differ_and_clips_repeat(frames: StereoFrames):
    again = sample_scene(3, "validation").render([0.0])
    assert np.array_equal(again.left[0], frames.left[0]) and np.abs(frames.left[0] - frames.left[1]).mean() > 0.01


def test_occlusions_lie_where_something_near_hides_the_left_view():
    left, right = np.zeros((1, 20)), np.zeros((1, 20))
    left[0, 10:13], right[0, 7:10] = -3, -3
    hidden = np.flatnonzero(occlusions(left, right)[0])
    assert hidden.tolist() == [10, 11, 12]


def test_stereo_backdrop_knows_the_distance_of_ground_and_wall():
    rng = np.random.default_rng(0)
    c2w = np.eye(4, dtype=np.float32)
    c2w[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]  # right is +y, up is +z: it looks along -x
    c2w[:3, 3] = (0, 0, 1)
    ground, wall, no_spots = Surface.sample(rng), Surface.sample(rng), np.zeros((0, 3), np.float32)
    rgb, depth = render_backdrop(c2w, 50.0, 64, ground, wall, 5.0, no_spots)
    assert depth[31, 32] == pytest.approx(5.0, abs=0.01)
    assert depth[60, 32] == pytest.approx(50 / 28.5, rel=0.01)  # one unit below, 28.5 rows below the axis
    assert rgb.min() >= 0 and rgb.max() <= 1 and rgb.std() > 0.01


def test_clips_are_cached_and_batches_are_keyed(folder: Path):
    config = NanoStereo.Config(clips=2, held_out_clips=1, frames=2, cache=str(folder), workers=1)
    dataset = NanoStereo(config)
    dataset.prepare(torch.device("cpu"))
    assert len(list(folder.glob("stereo-*.npz"))) == 2
    pairs, again = dataset.batch(Draws(0, 1), 6), dataset.batch(Draws(0, 1), 6)
    assert torch.equal(pairs.left, again.left) and pairs.left.shape == (6, *dataset.frame, 3)
    assert dataset.held_out(Draws(0, 0), 3).left.shape[0] == 3 and dataset.sample_pairs(2).left.shape[0] == 2


def test_mirrored_pairs_are_stereo_as_well(folder: Path):
    pairs = load_clips("train", 2, 2, str(folder), 1).select(torch.tensor([0]))
    mirrored = _mirrored(pairs, torch.tensor([True]))
    assert torch.equal(mirrored.left, pairs.right.flip(2))
    assert torch.equal(mirrored.right_shift, pairs.left_shift.flip(2))
    warped = LeftShifts(mirrored.left_shift.permute(0, 3, 1, 2) / 144).right_view(mirrored.left, Depth3D()).rgb
    assert (warped - mirrored.right).abs().median() < 0.02
