"""Two networks that compete: whose gradients go where, losses in closed form, and a resume to the same bits."""

import pytest
import torch

from maquette.config.schedules import Schedule
from maquette.datasets.base import LabelledPictures
from maquette.landscapes.classes import LABELS
from maquette.landscapes.translator import Translator
from maquette.learners.adversarial import (
    divergence_from_normal,
    feature_matching,
    frozen,
    hinge_fake,
    hinge_generator,
    hinge_real,
)
from maquette.learners.discriminators import LabelledPatches
from maquette.learners.landscape_translator import LandscapeTranslatorLearner, label_means, mean_colors, texture
from maquette.randomness import Draws, Moment
from maquette.stages.train import Train, _Training
from maquette.training.checkpoints import CheckpointStore
from maquette.training.settings import LoopConfig
from maquette.training.stepper import Stepper
from maquette.training.timings import Timings

SKY, GRASS = LABELS.index("sky"), LABELS.index("grass")
SIZES = {"widths": (8, 8), "hidden": 4, "style": 2, "encoder_widths": (8, 8), "opponent_widths": (8, 8)}


class Halves:
    """Blue sky over green grass, the horizon at a random height, as bright as the day is."""

    def prepare(self, device: torch.device) -> None:
        """Nothing to do."""

    def batch(self, draws: Draws, size: int) -> LabelledPictures:
        horizon = draws.integers("horizon", 4, 12, size)
        labels = torch.where(torch.arange(16)[None, :, None] < horizon[:, None, None], SKY, GRASS).expand(-1, -1, 16)
        palette = torch.zeros(len(LABELS), 3)
        palette[SKY], palette[GRASS] = torch.tensor([0.3, 0.5, 0.9]), torch.tensor([0.2, 0.6, 0.1])
        day = draws.uniform("day", size, 1, 1, 1, low=0.5, high=1.0)
        return LabelledPictures(palette[labels] * day, labels)

    def held_out(self, draws: Draws, size: int) -> LabelledPictures:
        return self.batch(draws.sub("held out"), size)

    def sample(self, count: int) -> LabelledPictures:
        return self.batch(Draws(9, 9), count)


def new_task() -> _Training:
    torch.manual_seed(0)
    learner = LandscapeTranslatorLearner(LandscapeTranslatorLearner.Config(**SIZES, opponent_rate=2.0, evaluated=8))
    learner.build(Halves())
    learner.set_memory_format(torch.device("cpu"))
    spec = type("Spec", (), {"build": None})  # the stage's own parts are not built here
    config = Train.Config(learner=spec, dataset=spec, batch=4, learning_rate=Schedule.constant(2e-3))  # type: ignore
    return _Training(learner, Halves(), config, Draws(0, -1))


def stepper(task: _Training) -> Stepper:
    return Stepper(task, LoopConfig(device="cpu", betas=(0.0, 0.999), epsilon=1e-8, gradient_clip=1.0), Timings())


def steps(stepping: Stepper, first: int, last: int) -> None:
    for number in range(first, last):
        stepping.step(Moment.at(number, 100, 0))


def test_a_training_with_an_opponent_resumes_to_the_same_bits(tmp_path):
    whole, cut, resumed = new_task(), new_task(), new_task()
    straight = stepper(whole)
    steps(straight, 0, 6)
    before = stepper(cut)
    steps(before, 0, 3)
    checkpoint = CheckpointStore(tmp_path).save(3, cut, before.optimizer, {})
    after = stepper(resumed)
    checkpoint.load(resumed, after.optimizer)
    steps(after, 3, 6)
    state = resumed.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in whole.state_dict().items())
    moments = [each.optimizer.state_dict()["state"] for each in (straight, after)]
    assert moments[0].keys() == moments[1].keys()
    for index, values in moments[0].items():
        assert all(torch.equal(value, moments[1][index][name]) for name, value in values.items())


def test_both_networks_have_optimiser_state_and_a_learning_rate_of_their_own():
    task = new_task()
    stepping = stepper(task)
    steps(stepping, 0, 1)
    *_, opponent = stepping.optimizer.param_groups
    assert opponent["lr"] == pytest.approx(2 * stepping.optimizer.param_groups[0]["lr"])
    trained = [parameter for group in stepping.optimizer.param_groups for parameter in group["params"]]
    assert all(int(stepping.optimizer.state[parameter]["step"]) == 1 for parameter in trained)  # each stepped once
    assert len(opponent["params"]) == len(list(task.learner.opponent.parameters()))


def test_the_opponent_s_loss_moves_no_weight_of_the_generator_and_the_other_way_round():
    task = new_task()
    learner, batch = task.learner, Halves().batch(Draws(0, 0), 4)
    output = learner.generate(batch, Draws(0, 0))
    learner.opponent_loss(output, batch, Draws(0, 0)).total().backward()
    assert all(parameter.grad is None for parameter in learner.networks.parameters())
    learner.zero_grad()
    with frozen(learner.opponent):
        learner.generator_loss(output, batch, Draws(0, 0)).total().backward()
    assert all(parameter.grad is None for parameter in learner.opponent.parameters())
    assert any(parameter.grad.abs().max() > 0 for parameter in learner.networks.parameters())
    assert all(parameter.requires_grad for parameter in learner.opponent.parameters())


def test_the_log_has_the_losses_of_both():
    step = stepper(new_task()).step(Moment.at(0, 100, 0))
    assert {"loss/opponent", "loss/l1", "loss/adversarial", "loss/matching"} <= set(step.terms.values())


def test_losses_are_their_closed_forms():
    scores = [torch.tensor([0.5, 2.0]), torch.tensor([-3.0])]
    assert hinge_real(scores).item() == pytest.approx((0.25 + 4.0) / 2)
    assert hinge_fake(scores).item() == pytest.approx((2.25 + 0.0) / 2)
    assert hinge_generator(scores).item() == pytest.approx((-1.25 + 3.0) / 2)
    assert feature_matching([torch.ones(3)], [torch.zeros(3)]).item() == 1
    mean, log_variance = torch.full((2, 3), 2.0), torch.zeros(2, 3)
    assert divergence_from_normal(mean, log_variance).item() == pytest.approx(2.0)


def test_a_few_steps_of_the_landscape_translator_learner_paint_sky_and_grass():
    task = new_task()
    steps(stepper(task), 0, 60)
    figures = task.learner.evaluate(Halves(), Draws(1, 0))
    assert figures["l1"] < 0.12
    batch = Halves().sample(2)
    painted = task.learner.networks(batch.labels, torch.zeros(2, 2), torch.zeros(2, 16, 16))
    sky, grass = painted.permute(0, 2, 3, 1)[batch.labels == SKY], painted.permute(0, 2, 3, 1)[batch.labels == GRASS]
    assert (sky.mean(dim=0) - grass.mean(dim=0))[2] > 0.15
    assert task.learner.sample_sheet(Halves(), Draws(0, 0)).ndim == 3


def test_a_saved_translator_paints_as_the_learner_s_average(tmp_path):
    learner = new_task().learner
    learner.save(tmp_path)
    labels, style, noise = Halves().sample(2).labels, torch.ones(2, 2), torch.randn(2, 16, 16)
    loaded = Translator.load(str(tmp_path))
    torch.testing.assert_close(loaded(labels, style, noise), learner.averaged(labels, style, noise), rtol=0, atol=2e-3)


def test_discriminators_see_labels_and_two_resolutions():
    torch.manual_seed(0)
    patches, pictures = LabelledPatches((8, 8)), torch.rand(1, 3, 32, 32)
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    verdict, other = patches(pictures, labels), patches(pictures, labels + 1)
    assert [score.shape[-1] for score in verdict.scores] == [16, 8] and len(verdict.features) == 4
    assert not torch.equal(verdict.scores[0], other.scores[0])


def test_texture_counts_steps_inside_labels_only():
    stripes = torch.tensor([0.0, 1.0]).repeat(4)[None, None, :, None].expand(1, 2, 8, 3)
    labels = torch.zeros(1, 2, 8, dtype=torch.long)
    assert texture(stripes, labels) == 1.0
    halves = torch.arange(8)[None, None].expand(1, 2, 8) // 4
    assert texture(mean_colors(stripes, halves), halves) == 0.0


def test_noise_and_styles_are_on_the_device_of_the_photographs():
    batch = Halves().sample(2)
    elsewhere = LabelledPictures(batch.images.to("meta"), batch.labels.to("meta"))
    learner = new_task().learner.to("meta")
    painted = [*learner.in_three_styles(elsewhere, Draws(0, 0)), learner.in_own_style(elsewhere, Draws(0, 0), "noise")]
    assert {(picture.device.type, picture.shape) for picture in painted} == {("meta", batch.images.shape)}


def test_means_of_labels_are_of_the_photographs_kind():
    batch = Halves().sample(2)
    assert label_means(batch.images.double(), batch.labels).dtype == torch.float64
