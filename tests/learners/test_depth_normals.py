"""The depth and normal learner: losses as MiDaS has them, and a model that the estimator reads."""

import dataclasses
import math

import pytest
import torch

from maquette.datasets.base import DepthsAndNormals
from maquette.errors import ConfigError
from maquette.learners.depth_normals import DepthNormalsLearner, gradient_loss, normalise_depth
from maquette.perception.estimator import Estimator
from maquette.randomness import Draws

SIZE = 32


class Balls:
    """White balls of radius 0.7 of half the side, lit from the upper left, before grey."""

    def batch(self, draws: Draws, size: int) -> DepthsAndNormals:
        shift = draws.uniform("shift", size, 2, low=-0.25, high=0.25)[:, :, None, None]
        down, right = torch.meshgrid(*[(torch.arange(SIZE) + 0.5) / SIZE * 2 - 1] * 2, indexing="ij")
        x, y = (right - shift[:, 0]) / 0.7, (shift[:, 1] - down) / 0.7
        inside = x**2 + y**2 < 1
        z = (1 - x**2 - y**2).clamp(min=0).sqrt()
        normal = torch.stack([x, y, z], dim=-1) * inside[..., None]
        light = torch.tensor([-0.5, 0.5, math.sqrt(0.5)])
        images = torch.where(inside, 0.5 + 0.5 * (normal @ light).clamp(min=0), 0.3)[..., None].expand(-1, -1, -1, 3)
        depth = torch.where(inside, 3 - 0.7 * z, 1.0)[..., None]
        return DepthsAndNormals(images, inside[..., None].float(), depth, normal)

    held_out = batch

    def sample_views(self, count: int) -> DepthsAndNormals:
        return self.batch(Draws(0, 0), count)


@pytest.fixture
def learner() -> DepthNormalsLearner:
    torch.manual_seed(0)
    learner = DepthNormalsLearner(
        DepthNormalsLearner.Config(
            side=SIZE, stem=16, stages=(16, 32, 32), width=32, layers=2, fused=16, average_decay=0.0, evaluated=16
        )
    )
    learner.build(Balls())
    return learner


def test_a_few_steps_teach_shape_from_shading(learner):
    before = learner.evaluate(Balls(), Draws(9, 0))
    optimiser = torch.optim.Adam(learner.networks.parameters(), 5e-3)
    for step in range(30):
        optimiser.zero_grad()
        learner.loss(Balls().batch(Draws(0, step), 8), Draws(0, step)).total().backward()
        optimiser.step()
        learner.after_step(step)
    after = learner.evaluate(Balls(), Draws(9, 0))
    assert after["held-out normal angle_deg"] < 0.5 * before["held-out normal angle_deg"]
    assert after["held-out depth correlation"] > 0.8


def test_scale_and_shift_of_depth_do_not_matter():
    values, inside = torch.rand(2, 5, 5, 1, generator=torch.Generator().manual_seed(0)), torch.ones(2, 5, 5, 1).bool()
    torch.testing.assert_close(normalise_depth(3 * values + 7, inside), normalise_depth(values, inside))
    assert (normalise_depth(values, inside).abs().mean((1, 2, 3)) - 1).abs().max() < 1e-5


def test_what_is_outside_does_not_matter():
    values, inside = torch.rand(1, 6, 6, 1), torch.zeros(1, 6, 6, 1).bool()
    inside[:, :3] = True
    other = torch.where(inside, values, 100.0)
    torch.testing.assert_close(normalise_depth(values, inside)[:, :3], normalise_depth(other, inside)[:, :3])
    assert torch.equal(gradient_loss(values * inside, inside), gradient_loss(values * inside + 5.0 * ~inside, inside))
    assert not normalise_depth(values, torch.zeros_like(inside)).isnan().any()


def test_the_gradient_term_of_a_ramp_is_its_slope_at_every_scale():
    # 1 per pixel: 1, 2, 4 and 8 per sample, from one sample to the next, of which there are 15/16, 7/8, 3/4 and 1/2
    ramp = torch.arange(16.0)[None, None, :, None].expand(1, 16, 16, 1)
    wanted = 1 * 15 / 16 + 2 * 7 / 8 + 4 * 3 / 4 + 8 * 1 / 2
    assert float(gradient_loss(ramp, torch.ones_like(ramp).bool())) == pytest.approx(wanted)


def test_the_estimator_sees_what_the_learner_saw(learner, tmp_path):
    views = Balls().sample_views(1)
    with torch.no_grad():
        nearness, normal = learner._predict(learner.average.module, views.images)
    learner.save(tmp_path)
    found = Estimator(str(tmp_path)).estimate(views.images)
    torch.testing.assert_close(found.nearness, nearness, rtol=1e-2, atol=1e-2)  # half precision
    torch.testing.assert_close(found.normal, normal, rtol=2e-2, atol=2e-2)


def test_a_training_goes_on_from_saved_weights_of_its_own_sizes(learner, tmp_path):
    learner.save(tmp_path)
    onward = DepthNormalsLearner(dataclasses.replace(learner.config, start=str(tmp_path)))
    onward.build(Balls())
    images = Balls().sample_views(2).images
    with torch.no_grad():
        before, after = (each._predict(each.networks, images)[1] for each in (learner, onward))
    torch.testing.assert_close(after, before, rtol=2e-2, atol=2e-2)  # half precision
    assert all(parameter.requires_grad for parameter in onward.networks.parameters())
    wider = DepthNormalsLearner(dataclasses.replace(learner.config, start=str(tmp_path), fused=32))
    with pytest.raises(ConfigError, match="of another shape"):
        wider.build(Balls())


def test_the_sheet_shows_two_pictures_to_a_row(learner):
    assert learner.sample_sheet(Balls(), Draws(0, 0)).shape == (8 * (SIZE + 2), 10 * (SIZE + 2), 3)
