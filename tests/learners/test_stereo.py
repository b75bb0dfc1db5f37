"""The learners of stereo: crops are aligned, shifts come from views alone, and what is saved can be used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from maquette.config.parts import part
from maquette.datasets.base import StereoPairs
from maquette.errors import ConfigError
from maquette.kernels.selection import select
from maquette.learners import stereo
from maquette.learners.stereo import SelectionLearner
from maquette.learners.stereo_depth import StereoDepthLearner
from maquette.learners.stereo_direct import DirectLearner
from maquette.randomness import Draws
from maquette.stereo.network import Sizes

SIZES = Sizes(
    shifts=7, first_shift=-3, size=(32, 64), widths=(8, 8, 8, 8, 8), hidden=8, dropout=0.0, mean=1.0, scale=2.0
)
LEARNERS = (SelectionLearner, DirectLearner, StereoDepthLearner)


class Walls:
    """Textured walls: a bright one lies two columns behind the screen, a dark one two before it."""

    frame = (40, 72)

    def prepare(self, device: torch.device) -> None:
        """Nothing is to be read."""

    def batch(self, draws: Draws, size: int) -> StereoPairs:
        bright = (draws.uniform("wall", size) < 0.5)[:, None, None, None]
        texture = draws.uniform("texture", size, *self.frame, 3)
        left = torch.where(bright, 0.6 + 0.4 * texture, 0.4 * texture)
        shift = torch.where(bright, 2.0, -2.0).expand(-1, *self.frame, 1)
        planes = left.permute(0, 3, 1, 2)
        one = torch.ones(size, 1, 1, 1)
        behind, before = (select(planes, one, [j]).permute(0, 2, 3, 1) for j in (2.0, -2.0))
        return StereoPairs(left, torch.where(bright, behind, before), shift, shift)

    def held_out(self, draws: Draws, size: int) -> StereoPairs:
        return self.batch(draws.sub("held out"), size)

    def sample_pairs(self, count: int) -> StereoPairs:
        return self.batch(Draws(0, 0), count)


def built(cls, **settings):
    torch.manual_seed(0)
    learner = cls(cls.Config(sizes=SIZES, evaluated=16, average_decay=0.9, **settings))
    learner.build(Walls())
    return learner


def trained(learner, steps: int, rate: float = 5e-3):
    optimizer = torch.optim.Adam(learner.networks.parameters(), rate)
    for step in range(steps):
        optimizer.zero_grad()
        learner.loss(Walls().batch(Draws(0, step), 8), Draws(0, step)).total().backward()
        optimizer.step()
        learner.after_step(step)
    return learner


def test_crops_of_all_values_are_taken_at_one_place():
    learner, rows = built(SelectionLearner), torch.arange(40.0).view(1, 40, 1, 1).expand(3, 40, 72, 1)
    pairs = StereoPairs(rows.expand(-1, -1, -1, 3), rows.expand(-1, -1, -1, 3), rows, rows)
    crops = learner.random_crops(pairs, Draws(0, 5))
    assert crops.left.shape == (3, 32, 64, 3) and crops.right_shift.shape == (3, 32, 64, 1)
    assert torch.equal(crops.left[..., :1], crops.right_shift) and crops.occluded is None
    assert len(set(crops.left[:, 0, 0, 0].tolist())) > 1


@pytest.mark.slow
def test_the_selection_learner_finds_shifts_without_seeing_any():
    figures = trained(built(SelectionLearner), 60).evaluate(Walls(), Draws(0, 0))
    assert figures["held-out difference"] < 0.5 * figures["difference of the best shift"]
    learner = trained(built(SelectionLearner), 60)
    pairs = learner.middle(Walls().held_out(Draws(1, 0), 8))
    expected = learner._expected(learner.maps(pairs).softmax(1)).mean((1, 2, 3))
    assert (expected - pairs.right_shift.mean((1, 2, 3))).abs().max() < 0.7


@pytest.mark.parametrize("cls", LEARNERS)
def test_a_loss_gives_gradients_and_a_sheet_shows_pairs(cls):
    learner = trained(built(cls), 2)
    sheet = learner.sample_sheet(Walls(), Draws(0, 0))
    assert sheet.shape[2] == 3 and sheet.min() >= 0 and sheet.max() <= 1
    assert all(value == value for value in learner.evaluate(Walls(), Draws(0, 0)).values())


@pytest.mark.parametrize(
    ("cls", "name"),
    [(SelectionLearner, "deep3d"), (DirectLearner, "direct-regression"), (StereoDepthLearner, "depth-then-warp")],
)
def test_what_is_saved_is_used_by_its_part(tmp_path: Path, cls, name):
    learner = trained(built(cls), 1)
    learner.save(tmp_path / "saved")
    left = Walls().batch(Draws(0, 3), 2).left
    maker = part("stereo", name, weights=str(tmp_path / "saved")).build()
    estimate = maker.estimate(left)
    expected = learner.maps(learner.middle(StereoPairs(left, left)))
    assert estimate.values.shape[0] == 2 and estimate.values.isfinite().all()
    again = cls(cls.Config(start=str(tmp_path / "saved")))
    again.build(Walls())
    torch.testing.assert_close(again.maps(again.middle(StereoPairs(left, left))), expected, rtol=0.05, atol=0.05)


def test_stereo_depth_needs_true_shifts_and_stereo_direct_does_not():
    pairs = Walls().batch(Draws(0, 0), 2)
    flat = StereoPairs(pairs.left, pairs.right)
    built(DirectLearner).loss(flat, Draws(0, 0))
    with pytest.raises(ConfigError, match="has no true shifts"):
        built(StereoDepthLearner).loss(flat, Draws(0, 0))


def test_frames_smaller_than_a_crop_are_refused():
    learner = SelectionLearner(SelectionLearner.Config())
    with pytest.raises(ConfigError, match="frames of 40 x 72 have no crops of 160 x 384"):
        learner.build(Walls())


def test_single_shifts_are_measured_on_the_device_of_the_views(monkeypatch):
    """On the meta device, which no kernel serves; a device of its own is what counts."""
    devices = set()

    def unshifted(image, probabilities, shifts):
        devices.update({image.device.type, probabilities.device.type})
        return image

    monkeypatch.setattr(stereo, "select", unshifted)
    views = torch.zeros(2, 32, 64, 3, device="meta")
    assert built(SelectionLearner)._each_shift(StereoPairs(views, views)).shape == (7,) and devices == {"meta"}
