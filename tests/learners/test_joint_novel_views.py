"""The small Zero-1-to-3 of several views: views look at each other, and the prior draws what was learnt."""

import json
import math

import pytest
import torch

from lamps import SIZE, Lamps
from maquette.cameras.base import orbit_cameras
from maquette.data.base import Reference
from maquette.datasets.base import PosedPairs
from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.learners._novel_views import conditioned
from maquette.learners.joint_novel_views import JointNovelViewsLearner
from maquette.learners.novel_view import NovelViewLearner
from maquette.priors.base import Request
from maquette.priors.zero123.zero123 import Zero123
from maquette.randomness import Draws
from maquette.scores.plain import Plain
from maquette.scores.sampling import sample_views

VIEWS = 3


class JointLamps(Lamps):
    """A lamp and views of it at even turns."""

    views = VIEWS

    def batch(self, draws: Draws, size: int) -> PosedPairs:
        azimuth = draws.uniform("reference", size, high=360.0).repeat_interleave(VIEWS)
        return self._pairs(azimuth, azimuth + torch.arange(VIEWS).repeat(size) * 90 + 30)

    held_out = batch

    def sample_pairs(self, objects: int, targets: int) -> PosedPairs:
        assert targets == VIEWS
        return self.batch(Draws(0, 0), objects)

    def _pairs(self, reference: torch.Tensor, target: torch.Tensor) -> PosedPairs:
        one = torch.ones(len(reference))
        cameras = [orbit_cameras(angle, 0 * one, 3 * one, 40 * one, self.size) for angle in (reference, target)]
        return PosedPairs(self.picture(reference), self.picture(target), *cameras)


def config(tiny_clip, **changes):
    sizes = {"size": SIZE, "widths": (16, 32), "attention_levels": 1, "sample_steps": 2, "evaluated": 5}
    return NovelViewLearner.Config(image_encoder=str(tiny_clip), average_decay=0.0, **{**sizes, **changes})


def built(config, cls=JointNovelViewsLearner):
    torch.manual_seed(0)
    learner = cls(config)
    learner.build(JointLamps())
    return learner


@pytest.fixture(scope="module")
def learner(tiny_clip):
    return built(config(tiny_clip))


@pytest.fixture(scope="module")
def saved(learner, tmp_path_factory):
    folder = tmp_path_factory.mktemp("joint")
    learner.half().float()  # as the file has it
    learner.save(folder)
    return folder


def prior_of(folder, views=VIEWS):
    return Zero123(Zero123.Config(path=str(folder), views=views, dtype="float32", device="cpu"))


def request_of(pairs, count=1):
    reference = Reference(Picture.opaque(pairs.reference[:1]), pairs.reference_cameras[:1])
    return Request("", references=(reference,) * count)


def test_a_few_steps_lower_the_loss(tiny_clip):
    learner = built(config(tiny_clip))
    optimiser = torch.optim.Adam([p for p in learner.parameters() if p.requires_grad], 2e-3)
    losses = []
    for step in range(20):
        optimiser.zero_grad()
        loss = learner.loss(JointLamps().batch(Draws(0, step), 6), Draws(0, step)).total()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


@pytest.mark.parametrize("cls, looks", [(JointNovelViewsLearner, True), (NovelViewLearner, False)])
def test_a_view_depends_on_the_other_views_of_its_object_alone(tiny_clip, cls, looks):
    learner, pairs = built(config(tiny_clip), cls), JointLamps().batch(Draws(0, 0), 2)
    token = learner.networks.projection(learner.encoder(pairs.reference), pairs.pose)
    velocity = conditioned(learner.networks.unet, pairs.reference.permute(0, 3, 1, 2), token)
    noisy, t = torch.randn(2 * VIEWS, 3, SIZE, SIZE), torch.full((2 * VIEWS,), 600)
    changed = noisy.clone()
    changed[0] += 1
    difference = (velocity(noisy, t) - velocity(changed, t)).abs().amax((1, 2, 3))
    assert difference[0] > 1e-3
    assert ((difference[1:VIEWS] > 1e-6) == looks).all() and (difference[VIEWS:] < 1e-6).all()


def test_views_of_an_object_have_one_timestep_and_lose_their_condition_together(learner, monkeypatch):
    seen = {}

    def loss(velocity, images, draws, group_size):
        seen["group"] = group_size
        return images.mean() * 0

    def token(embedding, pose):
        return torch.ones(len(pose), 1, 24)

    def conditions(unet, pixels, token):
        seen["token"] = token

    monkeypatch.setattr(learner.diffusion, "loss", loss)
    monkeypatch.setattr("maquette.learners.novel_view.conditioned", conditions)
    monkeypatch.setattr(learner.networks.projection, "forward", token)
    learner.velocity_loss(learner.networks, JointLamps().batch(Draws(0, 0), 60), Draws(0, 0))
    groups = seen["token"][:, 0, 0].unflatten(0, (60, VIEWS))
    assert seen["group"] == VIEWS and (groups == groups[:, :1]).all() and 0 < groups[:, 0].sum() < 60


def test_the_prior_samples_what_the_learner_does(learner, saved):
    pairs = JointLamps().batch(Draws(0, 0), 1)
    prior = prior_of(saved)
    assert Zero123.capabilities(prior.config).views_per_object == VIEWS
    noisy, t = torch.randn(VIEWS, 3, SIZE, SIZE), torch.full((VIEWS,), 700)
    told = prior.condition(request_of(pairs)).at(pairs.target_cameras)
    found = prior.predict(noisy, t, told, pairs.target_cameras)["positive"]
    networks = learner.averaged
    token = networks.projection(learner.encoder(pairs.reference), pairs.pose)
    beside = pairs.reference.permute(0, 3, 1, 2) * 2 - 1
    with torch.no_grad():
        velocity = conditioned(networks.unet, beside, token)(noisy, t)
    alpha, sigma = prior.noise_schedule.alpha_sigma(t)
    torch.testing.assert_close(found, alpha * velocity + sigma * noisy, atol=1e-4, rtol=1e-4)
    views = sample_views(
        prior, request_of(pairs), pairs.target_cameras, Plain(Plain.Config()), 2, Draws(0, 0), 1.0, batch=VIEWS
    )
    assert views.shape == (VIEWS, SIZE, SIZE, 3)


def test_the_prior_refuses_another_number_of_views_by_key(saved, tiny_clip, tmp_path):
    with pytest.raises(ConfigError, match=r"prior\.views: .* was trained on groups of 3 views, not on 1; views: 3"):
        prior_of(saved, views=1)
    single = built(config(tiny_clip), NovelViewLearner)
    single.save(tmp_path)
    assert "views" not in json.loads((tmp_path / "model_index.json").read_text())
    with pytest.raises(ConfigError, match=r"was trained on single views, not on 3; views: 1"):
        prior_of(tmp_path)


def test_the_prior_takes_whole_groups_and_one_picture(saved):
    prior, pairs = prior_of(saved), JointLamps().batch(Draws(0, 0), 1)
    with pytest.raises(ConfigError, match=r"data\.references: this prior continues one picture, not 2"):
        prior.condition(request_of(pairs, 2))
    cameras = pairs.target_cameras[:2]
    told = prior.condition(request_of(pairs)).at(cameras)
    with pytest.raises(ConfigError, match="2 pictures are not groups of 3"):
        prior.predict(torch.rand(2, 3, SIZE, SIZE), torch.tensor([5, 5]), told, cameras)


def test_attention_slicing_is_for_single_views(saved):
    with pytest.raises(ValueError, match="attention_slicing: a model of several views has one attention over all"):
        Zero123.Config(path=str(saved), views=VIEWS, attention_slicing=True)


def test_a_damaged_number_of_views_is_refused(saved, tmp_path):
    import shutil

    folder = shutil.copytree(saved, tmp_path / "copy")
    index = folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "views": "six"}))
    with pytest.raises(ConfigError, match=r"views in model_index\.json is a number of views, not 'six'"):
        prior_of(folder)


def test_it_goes_on_from_a_model_of_single_views(tiny_clip, tmp_path):
    single = built(config(tiny_clip), NovelViewLearner)
    single.save(tmp_path)
    begun = built(config(tiny_clip, start=str(tmp_path)))
    known = single.averaged.state_dict()
    assert all(torch.equal(value.half(), known[name].half()) for name, value in begun.networks.state_dict().items())


def test_the_evaluation_counts_objects_and_the_sheet_shows_all_views(learner):
    figures = learner.evaluate(JointLamps(), Draws(0, 0), chunk=2)
    assert all(math.isfinite(value) for name, value in figures.items() if "120-180" not in name)
    assert learner.sample_sheet(JointLamps(), Draws(0, 0)).shape == (8 * (SIZE + 2), (1 + 2 * VIEWS) * (SIZE + 2), 3)
