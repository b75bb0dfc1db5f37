"""The learner of six views trains, looks at the picture, and saves what the prior loads."""

import json

import pytest
import torch

from maquette.cameras.base import Cameras
from maquette.data.base import Reference
from maquette.datasets.base import PicturesWithSixViews
from maquette.images.picture import Picture
from maquette.learners import six_views
from maquette.learners.six_views import SixViewsLearner
from maquette.priors.base import Request
from maquette.priors.zero123plus.zero123plus import Zero123Plus, reference_noise
from maquette.randomness import Draws
from views import around

SIZE, PICTURE = 8, 16
TURNS_DEG = torch.tensor([30.0, 90, 150, 210, 270, 330])


def seen_from(azimuth_deg: torch.Tensor, size: int) -> torch.Tensor:
    """Squares that are brighter towards a light at azimuth 0."""
    across = torch.linspace(-0.4, 0.4, size)
    azimuth = torch.deg2rad(azimuth_deg)[:, None, None]
    brightness = 0.5 + azimuth.sin() * across + azimuth.cos() * across[:, None]
    return brightness[..., None].expand(-1, -1, -1, 3).clamp(0, 1)


class Lamps:
    """Lit squares, seen from anywhere and then from the six cameras."""

    def batch(self, draws: Draws, size: int) -> PicturesWithSixViews:
        azimuth = draws.uniform("azimuth", size, high=360.0)
        return PicturesWithSixViews(
            seen_from(azimuth, PICTURE), seen_from((azimuth[:, None] + TURNS_DEG).flatten(), SIZE)
        )

    held_out = batch

    def sample(self, count: int) -> PicturesWithSixViews:
        return self.batch(Draws(0, 0), count)


@pytest.fixture(scope="module")
def learner(tiny_clip) -> SixViewsLearner:
    torch.manual_seed(0)
    config = SixViewsLearner.Config(
        size=SIZE, reference_size=PICTURE, widths=(16, 32), attention_levels=2, image_encoder=str(tiny_clip),
        average_decay=0.0, sample_steps=2, evaluated=3,
    )  # fmt: skip
    learner = SixViewsLearner(config)
    learner.build(Lamps())
    return learner


def picture(azimuth_deg: float) -> tuple[torch.Tensor, Cameras]:
    one = torch.ones(1)
    return seen_from(azimuth_deg * one, PICTURE), around(azimuth_deg, size=PICTURE)


def test_a_few_steps_lower_the_loss(learner):
    optimiser = torch.optim.Adam([p for p in learner.parameters() if p.requires_grad], 5e-3)
    losses = []
    for step in range(20):
        optimiser.zero_grad()
        loss = learner.loss(Lamps().batch(Draws(0, step), 4), Draws(0, step)).total()
        loss.backward()
        optimiser.step()
        learner.after_step(step)
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    frozen = [*learner.encoder.parameters(), *learner.text_encoder.parameters()]
    assert not any(parameter.requires_grad for parameter in frozen)


def test_the_prior_predicts_what_was_learnt(learner, tmp_path):
    learner.half().float()  # as the file has it
    learner.save(tmp_path)
    prior = Zero123Plus(Zero123Plus.Config(path=str(tmp_path), layout="v1.2", dtype="float32", device="cpu"))
    assert prior.size == SIZE and prior.noise_schedule.prediction == "v_prediction"
    rgb, camera = picture(50.0)
    told = prior.condition(Request("", references=(Reference(Picture.opaque(rgb), camera),)))
    cameras = prior.cameras(camera, distance=3.0)
    noisy, steps = torch.randn(6, 3, SIZE, SIZE), torch.full((6,), 600)
    found = prior.predict(noisy, steps, told.at(cameras), cameras)
    canvas = torch.cat([torch.cat([*noisy[row : row + 2]], dim=-1) for row in (0, 2, 4)], dim=-2)[None]
    alpha, sigma = prior.noise_schedule.alpha_sigma(steps)
    noise = reference_noise(steps[:1], torch.Size([3, PICTURE, PICTURE]))
    for name, kept in (("positive", 1.0), ("unconditional", 0.0)):
        context, pixels = learner._conditioning(rgb, torch.tensor([kept]))
        velocity = learner._velocity(learner.average.module, context, pixels, lambda steps: noise)(canvas, steps[:1])
        views = torch.cat([half for row in velocity.chunk(3, dim=-2) for half in row.chunk(2, dim=-1)])
        torch.testing.assert_close(found[name], alpha * views + sigma * noisy, atol=2e-3, rtol=2e-3)


def test_six_views_follow_the_picture(learner):
    one, other = (learner.sample(picture(azimuth)[0], Draws(0, 0)) for azimuth in (0.0, 180.0))
    assert one.shape == (6, SIZE, SIZE, 3) and (one - other).abs().max() > 1e-3


def test_the_evaluation_and_the_sheet(learner):
    figures = learner.evaluate(Lamps(), Draws(0, 0))
    assert set(figures) == {"held-out velocity", "psnr", "psnr of the input"}
    assert all(value > 0 for value in figures.values())
    assert learner.sample_sheet(Lamps(), Draws(0, 0)).shape == (6 * (SIZE + 2), 13 * (SIZE + 2), 3)


def test_saved_files_are_those_of_zero123plus(learner, tmp_path):
    learner.save(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["_class_name"] == "Zero123PlusPipeline" and len(index["ramping_coefficients"]) == 8
    settings = json.loads((tmp_path / "unet" / "config.json").read_text())
    assert settings["sample_size"] == [3 * SIZE, 2 * SIZE]


def test_sizes_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="4 resolutions need sizes that 8 divides"):
        SixViewsLearner.Config("org/clip", size=36)


def test_a_smaller_last_chunk_of_objects_counts_by_its_size(learner, monkeypatch):
    monkeypatch.setattr(six_views, "CHUNK", 2)
    monkeypatch.setattr(learner, "velocity_loss", lambda networks, batch, draws: torch.tensor(len(batch.reference)))
    assert learner.evaluate(Lamps(), Draws(0, 0))["held-out velocity"] == pytest.approx((2 * 2 + 1 * 1) / 3)
