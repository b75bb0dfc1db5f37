"""The learner of several views begins as its text-to-image model, trains, and saves what the prior loads."""

import json

import pytest
import torch
from diffusers import UNet2DConditionModel

from maquette.cameras import orbit_cameras
from maquette.datasets.base import CaptionedGroups
from maquette.errors import ConfigError
from maquette.learners.multi_view import MultiViewLearner, multi_view_unet
from maquette.priors.base import Request
from maquette.priors.joint_views import join_views
from maquette.priors.mvdream.camera_rows import camera_rows
from maquette.priors.mvdream.mvdream import MVDream
from maquette.randomness import Draws

SIZE, VIEWS = 16, 4


class Lamps:
    """Grey discs that are bright on the side that turns away from the camera's azimuth."""

    views = VIEWS

    def batch(self, draws: Draws, size: int) -> CaptionedGroups:
        start = draws.uniform("azimuth", size, 1, high=360.0)
        azimuth = (start + torch.arange(VIEWS) * 90).flatten()
        one = torch.ones(len(azimuth))
        across = torch.linspace(-1, 1, SIZE)
        lit = across * torch.deg2rad(azimuth)[:, None].cos()
        images = (0.5 + 0.4 * lit)[:, None, :, None].expand(-1, SIZE, SIZE, 3)
        return CaptionedGroups(images, orbit_cameras(azimuth, 0 * one, 3 * one, 40 * one, SIZE), ["a red mug"] * size)

    held_out = batch

    def sample_captions(self) -> list[str]:
        return ["a red mug", "a mug"]


@pytest.fixture
def learner(tiny_pixel_model) -> MultiViewLearner:
    torch.manual_seed(0)
    learner = MultiViewLearner(
        MultiViewLearner.Config(start=str(tiny_pixel_model), sample_steps=2, evaluated=3, average_decay=0.0)
    )
    learner.build(Lamps())
    return learner


def test_alone_a_view_is_predicted_as_by_the_model_it_begins_as(tiny_pixel_model):
    options = {"torch_dtype": torch.float32, "low_cpu_mem_usage": False}
    old = UNet2DConditionModel.from_pretrained(tiny_pixel_model, subfolder="unet", **options)
    new = multi_view_unet(str(tiny_pixel_model))
    join_views(new, 1)
    noisy, steps, text = torch.randn(2, 3, SIZE, SIZE), torch.tensor([5, 900]), torch.randn(2, 7, 32)
    with torch.no_grad():
        wanted, found = old(noisy, steps, text).sample[:, :3], new(noisy, steps, text, torch.randn(2, 16)).sample
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_few_steps_lower_the_loss_and_teach_the_cameras(learner):
    optimiser = torch.optim.Adam(learner.networks.parameters(), lr=2e-3)
    before = learner.evaluate(Lamps(), Draws(0, 0))["held-out velocity"]
    for step in range(8):
        optimiser.zero_grad()
        learner.loss(Lamps().batch(Draws(1, step), 4), Draws(1, step)).total().backward()
        optimiser.step()
        learner.after_step(step)
    assert learner.evaluate(Lamps(), Draws(0, 0))["held-out velocity"] < before
    assert learner.networks.unet.class_embedding.linear_2.weight.abs().sum() > 0


def test_the_views_of_an_object_have_one_noise_level(learner, monkeypatch):
    seen = []
    forward = learner.networks.unet.forward
    monkeypatch.setattr(learner.networks.unet, "forward", lambda x, t, *rest: (seen.append(t), forward(x, t, *rest))[1])
    learner.loss(Lamps().batch(Draws(0, 0), 3), Draws(0, 0))
    levels = seen[0].view(3, VIEWS)
    assert (levels == levels[:, :1]).all() and len(set(levels[:, 0].tolist())) > 1


def test_the_sheet_shows_two_objects_to_a_row(learner):
    sheet = learner.sample_sheet(Lamps(), Draws(0, 0))
    assert sheet.shape == (SIZE + 2, 2 * VIEWS * (SIZE + 2), 3)


def test_the_prior_loads_what_is_saved_and_predicts_the_same(learner, tmp_path):
    torch.nn.init.normal_(learner.average.module.unet.class_embedding.linear_2.weight)
    batch = Lamps().batch(Draws(0, 0), 2)
    noisy, steps = torch.randn(8, 3, SIZE, SIZE), torch.tensor([300] * 4 + [800] * 4)
    unet = learner.average.module.unet
    with torch.no_grad():
        text = learner._text_embeddings(learner.average.module, ["a red mug"] * 2)
        velocity = unet(noisy, steps, text, camera_rows(batch.cameras)).sample
    learner.save(tmp_path)
    assert json.loads((tmp_path / "model_index.json").read_text())["_class_name"] == "MVDreamPipeline"
    prior = MVDream(MVDream.Config(path=str(tmp_path), dtype="float32", device="cpu"))
    conditions = {"x": prior.condition(Request("a red mug")).at(batch.cameras)["positive"]}
    found = prior.predict(noisy, steps, conditions, batch.cameras)["x"]
    torch.testing.assert_close(
        found, prior.noise_schedule.epsilon(velocity, noisy, steps), rtol=1e-2, atol=1e-2
    )  # half precision


def test_a_start_without_a_unet_is_refused_by_key(tmp_path):
    with pytest.raises(ConfigError, match=r"learner\.start: cannot load unet"):
        multi_view_unet(str(tmp_path))
