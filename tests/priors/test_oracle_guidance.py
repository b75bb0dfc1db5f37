"""Score distillation, guidance and Perp-Neg on a prior whose every prediction is known.

Rows 3, 7, 8 and 9 of the matrix of claims at the smallest scale: pictures of 8 x 8 pixels, each for itself or four
views together, no renderer. The set is front-biased: without view words, "a red thing" shows its face most of the time.
"""

import dataclasses
import math

import numpy as np
import pytest
import torch
from toy_views import AZIMUTHS, nearest, thing, toy_oracle, toy_views

from maquette.config.parts import part
from maquette.config.schedules import Schedule
from maquette.data.formats.captioned import CaptionedViews
from maquette.objectives.sds import SDS
from maquette.priors.base import Request
from maquette.priors.oracle.camera_kernel import CameraKernel
from maquette.priors.oracle.oracle import Oracle
from maquette.randomness import Draws, Moment
from maquette.scores.base import Score
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from maquette.scores.perp_neg import PerpNeg, add_perpendicular
from maquette.scores.plain import Plain
from views import around, rendering

RED = Request("a red thing")
FRONT, LEFT, BACK, RIGHT = range(4)
BIASED = {"front_bias": 0.8, "spread": 0.2}
CFG_3, PERP_NEG_3 = CFG(CFG.Config(scale=3.0)), PerpNeg(PerpNeg.Config(scale=3.0))


def sds_gradients(prior: Oracle, score: Score, rgb: torch.Tensor, *azimuths: float, step: int = 0, **config):
    """The SDS gradient of each picture [B, H, W, 3] in [-1, 1] units, w = 1."""
    rgb, views = rgb.clone().requires_grad_(True), around(*azimuths)
    conditions = prior.condition(RED).at(views)
    objective = SDS(SDS.Config(weighting="uniform", **config))
    objective(
        rendering(rgb), Denoiser(prior, score, conditions, views), Moment(step, 100, Draws(0, step))
    ).total().backward()
    return rgb.grad * len(rgb) / 2


def distilled(prior: Oracle, score: Score, azimuths: list[float], prompt: str = RED.prompt) -> torch.Tensor:
    """Pictures optimised by SDS, each for itself, as seen from the azimuths."""
    views = around(*azimuths)
    conditions = prior.condition(Request(prompt)).at(views)
    rgb = 0.4 + 0.2 * Draws(0, 0).uniform("start", len(azimuths), 8, 8, 3)
    rgb.requires_grad_(True)
    optimiser, objective = torch.optim.Adam([rgb], 0.05), SDS(SDS.Config(weighting="uniform"))
    for step in range(150):
        optimiser.zero_grad()
        objective(
            rendering(rgb), Denoiser(prior, score, conditions, views), Moment(step, 150, Draws(0, step))
        ).total().backward()
        optimiser.step()
    return rgb.detach()


def sampled(prior: Oracle, weight: float, projected: bool, scale: float = 3.0, count: int = 64) -> torch.Tensor:
    """DDIM samples of "a red thing" with the negative "a red thing, front view", taken off whole or by Perp-Neg."""
    odds = prior.probabilities
    texts = {"positive": "a red thing", "negative": "a red thing, front view", "none": ""}
    conditions = {name: odds.of_text(text, "prompt").expand(count, -1) for name, text in texts.items()}
    steps = torch.linspace(990, 10, 30).long()
    noisy = Draws(0, 0).normal("sample", count, 3, 8, 8)
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        t = step.expand(count)
        found = prior.predict(noisy, t, conditions, around(*[0.0] * count))
        wanted, negative = found["positive"] - found["none"], found["negative"] - found["none"]
        weights = torch.full((count, 1), weight)
        total = add_perpendicular(wanted, [negative], weights) if projected else wanted + weight * negative
        noise = found["none"] + scale * total
        alpha, sigma = prior.noise_schedule.alpha_sigma(t)
        clean = (noisy - sigma * noise) / alpha
        if after is not None:
            alpha, sigma = prior.noise_schedule.alpha_sigma(after.expand(count))
            noisy = alpha * clean + sigma * noise
    return prior.decode(clean)


@pytest.mark.parametrize("step", [300, 600, 800])
def test_the_expected_sds_gradient_of_two_pictures_is_a_one_dimensional_integral(step):
    # with two pictures, G = alpha / sigma (z_0 - x_back - r (x_front - x_back)), and r depends on the noise along
    # x_front - x_back alone: r = sigmoid(A + B n), n ~ N(0, 1)
    views = CaptionedViews.from_pictures({"a red thing": thing((0.8, 0.1, 0.1))[[FRONT, BACK]]}, around(0.0, 180.0))
    prior = Oracle(Oracle.Config(front_bias=0.5, view_prompt_weight=0.0, dtype="float64", device="cpu"), views)
    front, back = prior.clean
    z = 0.45 * front + 0.55 * back
    fixed = part("timesteps", "uniform", low=Schedule.constant(step / 1000), high=Schedule.constant(step / 1000))
    count = 4096
    rgb = prior.decode(z[None]).expand(count, -1, -1, -1)
    found = sds_gradients(prior, Plain(Plain.Config()), rgb, *[180.0] * count, timesteps=fixed).mean(dim=0)

    alpha, sigma = (float(level) for level in prior.noise_schedule.alpha_sigma(torch.tensor([step])))
    apart = front - back
    length = float(apart.norm())
    middle = alpha**2 * float(((z - (front + back) / 2) * apart).sum()) / sigma**2 + math.log(0.75 / 0.25)
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    share = float((weights / (1 + np.exp(-(middle + alpha * length / sigma * nodes)))).sum() / weights.sum())
    wanted = alpha / sigma * (z - back - share * apart)
    error = (found.permute(2, 0, 1) - wanted).norm() / (alpha / sigma * length)  # in units of the share
    assert 0.05 < share < 0.95 and error < 5 * 0.5 / math.sqrt(count)


def test_with_front_bias_and_no_view_words_the_back_view_is_pulled_to_the_front_and_perp_neg_pulls_it_back():
    # Janus in one gradient: at the mean of all views, seen from behind
    count, red = 256, thing((0.8, 0.1, 0.1))
    start, away = red.mean(dim=0).expand(count, -1, -1, -1), (red[FRONT] - red[BACK]) * 2

    def pull_to_front(score: Score, view_words: float) -> float:
        prior = toy_oracle(view_prompt_weight=view_words, **BIASED)
        return -float((sds_gradients(prior, score, start, *[180.0] * count).mean(dim=0) * away).sum())

    no_words, words, perp_neg = pull_to_front(CFG_3, 0.0), pull_to_front(CFG_3, 0.15), pull_to_front(PERP_NEG_3, 0.15)
    assert no_words > 0
    assert perp_neg < words < no_words
    assert perp_neg < 0


def test_perp_neg_raises_the_share_of_true_back_views():
    # rows 7 and 8: of 64 pictures distilled for the camera behind, how many show the back, and how many the face
    rates = {}
    for name, score, view_words in (("none", CFG_3, 0.0), ("words", CFG_3, 0.15), ("perp-neg", PERP_NEG_3, 0.15)):
        _, view, _ = nearest(distilled(toy_oracle(view_prompt_weight=view_words, **BIASED), score, [180.0] * 64))
        rates[name] = [float((view == which).float().mean()) for which in (FRONT, BACK)]
    faces, backs = ([rates[name][i] for name in ("none", "words", "perp-neg")] for i in (0, 1))
    assert backs[0] + 0.2 < backs[1] and backs[1] + 0.2 < backs[2]
    assert faces[0] > faces[1] > faces[2]


def test_plain_negatives_erase_what_they_share_with_the_prompt_and_perpendicular_ones_do_not():
    # row 9: how many of 64 samples are still red, and how many still show the face
    prior = toy_oracle(front_bias=0.7, spread=0.2)
    kinds = {projected: nearest(sampled(prior, -1.5, projected)) for projected in (False, True)}
    red = {projected: float((found[0] == 0).float().mean()) for projected, found in kinds.items()}
    face = {projected: float((found[1] == FRONT).float().mean()) for projected, found in kinds.items()}
    asked = float((nearest(sampled(prior, 0.0, True))[1] == FRONT).float().mean())
    assert red[True] == 1.0 and red[False] < 0.2
    assert face[True] < asked - 0.3


def test_too_large_weights_leave_the_pictures_of_the_set():
    # row 8: view fidelity keeps rising with |w|, and so does the distance to any true picture
    prior = toy_oracle(front_bias=0.7, spread=0.2)
    samples = [nearest(sampled(prior, weight, True)) for weight in (0.0, -1.0, -3.0)]
    faces = [float((view == FRONT).float().mean()) for _, view, _ in samples]
    distances = [float(distance.mean()) for _, _, distance in samples]
    assert faces[0] > faces[1] > faces[2]
    assert distances[0] < distances[1] < distances[2] and distances[2] > 2 * distances[0]


def test_a_joint_prior_keeps_the_identity_of_four_views():
    # row 7: three objects share a caption; each view alone may become any of them
    views = dataclasses.replace(toy_views(), captions=(("a thing",),) * 3)
    azimuths, together = [*AZIMUTHS] * 16, {}
    for joint in (1, 4):
        prior = Oracle(Oracle.Config(cameras=CameraKernel(10), joint=joint, spread=0.2, device="cpu"), views)
        thing_, view, _ = nearest(distilled(prior, Plain(Plain.Config()), azimuths, "a thing"))
        assert (view.view(16, 4) == torch.arange(4)).all()
        together[joint] = float((thing_.view(16, 4) == thing_.view(16, 4)[:, :1]).all(dim=1).float().mean())
    assert together[4] == 1.0 and together[1] < 0.5
