"""The oracle's prediction is Bayes' rule over its pictures, at every noise level and under every condition."""

import itertools

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from toy_views import AZIMUTHS, toy_oracle, toy_views

from maquette.data.base import Reference
from maquette.data.formats.captioned import CaptionedViews
from maquette.diffusion.noise import DiscreteSchedule
from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.priors.base import Request
from maquette.priors.oracle import posterior
from maquette.priors.oracle.camera_kernel import CameraKernel
from maquette.priors.oracle.oracle import Oracle
from views import around

RED = Request("a red thing")
FRONT, LEFT, BACK, RIGHT = range(4)


def noisy_pictures(prior: Oracle, steps: torch.Tensor) -> torch.Tensor:
    """Random pictures of the set, noised."""
    generator = torch.Generator().manual_seed(0)
    clean = prior.clean[torch.randint(len(prior.clean), (len(steps),), generator=generator)]
    alpha, sigma = prior.noise_schedule.alpha_sigma(steps)
    return alpha * clean + sigma * torch.randn(clean.shape, generator=generator, dtype=torch.float64).to(clean)


def odds(prior: Oracle, request: Request = RED, *azimuths: float, name: str = "positive") -> torch.Tensor:
    return prior.condition(request).at(around(*(azimuths or (0.0,))))[name]


@pytest.mark.parametrize("spread", [0.0, 0.2])
def test_the_prediction_is_the_score_of_the_noised_set(spread):
    # e = -sigma grad log p_t(z), with the density of torch's own mixture distribution
    prior, steps = toy_oracle(dtype="float64", spread=spread, front_bias=0.3), torch.tensor([150, 500, 900])
    noisy = noisy_pictures(prior, steps).requires_grad_(True)
    condition = odds(prior, RED, 0.0, 90.0, 180.0, name="unconditional")
    found = prior.predict(noisy.detach(), steps, {"x": condition}, around(0.0, 90.0, 180.0))["x"]
    alpha, sigma = prior.noise_schedule.alpha_sigma(steps)
    for b in range(3):
        deviation = (sigma[b] ** 2 + (alpha[b] * spread) ** 2).sqrt().flatten().expand(192)
        centres = alpha[b].flatten() * prior.clean.flatten(1)
        clouds = Independent(Normal(centres, deviation), 1)
        density = MixtureSameFamily(Categorical(condition[b]), clouds).log_prob(noisy[b].flatten())
        (score,) = torch.autograd.grad(density, noisy)
        torch.testing.assert_close(found[b], -sigma[b] * score[b], rtol=1e-8, atol=1e-8)


def test_float32_is_exact_at_every_noise_level():
    single, double = toy_oracle(), toy_oracle(dtype="float64")
    double.noise_schedule = DiscreteSchedule(single.noise_schedule.alphas_cumprod.double())
    steps = torch.arange(0, 1000, 3)
    noisy, views = noisy_pictures(single, steps), around(*([0.0] * len(steps)))
    conditions = single.condition(RED).at(views)
    found = single.predict(noisy, steps, conditions, views)
    wanted = double.predict(noisy.double(), steps, conditions, views)
    for name, value in found.items():
        torch.testing.assert_close(value.double(), wanted[name], rtol=1e-4, atol=1e-4)


def test_pictures_are_found_again_where_noise_is_low():
    prior, steps = toy_oracle(dtype="float64"), torch.tensor([0, 20, 100, 200])
    noisy, views = noisy_pictures(prior, steps), around(*AZIMUTHS)
    alpha, sigma = prior.noise_schedule.alpha_sigma(steps)
    noise = prior.predict(noisy, steps, {"x": odds(prior, Request(""), *AZIMUTHS)}, views)["x"]
    clean = (noisy - sigma * noise) / alpha
    assert (clean[:, None] - prior.clean).abs().amax(dim=(2, 3, 4)).amin(dim=1).max() < 1e-6


def test_a_set_taken_in_blocks_gives_the_same(monkeypatch):
    prior, steps = toy_oracle(dtype="float64"), torch.tensor([300, 800])
    noisy, views = noisy_pictures(prior, steps), around(0.0, 180.0)
    conditions = prior.condition(RED).at(views)
    whole = prior.predict(noisy, steps, conditions, views)
    monkeypatch.setattr(posterior, "BLOCK", 1000)
    for name, value in prior.predict(noisy, steps, conditions, views).items():
        torch.testing.assert_close(value, whole[name])


def test_joint_views_are_one_denoiser_of_concatenated_pictures():
    # brute force over all pairs of pictures of one object, as pictures of twice the size
    prior, steps = toy_oracle(dtype="float64", joint=2), torch.tensor([600, 600, 700, 500])
    noisy, views = noisy_pictures(prior, steps), around(*AZIMUTHS)
    condition = odds(prior, Request(""), *AZIMUTHS)
    alpha, sigma = prior.noise_schedule.alpha_sigma(steps)
    found = prior.predict(noisy, steps, {"x": condition}, views)["x"]
    apart = (noisy[:, None] - alpha[:, None] * prior.clean).square().sum(dim=(2, 3, 4))
    seen = condition.log() - apart / (2 * sigma.view(4, 1).square())
    pairs = [(4 * j + a, 4 * j + b) for j in range(3) for a, b in itertools.product(range(4), repeat=2)]
    for group in ([0, 1], [2, 3]):
        # p(j) p(a | j) p(b | j) = p(a) p(b) / p(j), and p(j) is 1/3 for all
        share = torch.stack([seen[group[0], a] + seen[group[1], b] for a, b in pairs]).softmax(dim=0)
        for place, b in enumerate(group):
            mean = sum(share[k] * prior.clean[pair[place]] for k, pair in enumerate(pairs))
            torch.testing.assert_close(found[b], (noisy[b] - alpha[b] * mean) / sigma[b], rtol=1e-8, atol=1e-8)


def test_joint_views_must_come_in_groups():
    prior = toy_oracle(joint=4)
    with pytest.raises(ConfigError, match="3 pictures are not groups of 4"):
        prior.predict(torch.zeros(3, 3, 8, 8), torch.tensor([9, 9, 9]), {}, around(0.0, 0.0, 0.0))


def test_a_caption_names_its_object_and_nothing_names_any():
    prior = toy_oracle()
    torch.testing.assert_close(odds(prior)[0].view(3, 4).sum(dim=1), torch.tensor([1.0, 0, 0]).double())
    torch.testing.assert_close(odds(prior, name="unconditional")[0], torch.full((12,), 1 / 12).double())


def test_front_bias_is_the_share_of_outright_front_views():
    anyhow = odds(toy_oracle(front_bias=0.6), name="empty")[0].view(3, 4).sum(dim=0)
    torch.testing.assert_close(anyhow, torch.tensor([0.7, 0.1, 0.1, 0.1]).double())


def test_view_words_help_as_far_as_they_are_true():
    # back: true words 0.4 of the time, otherwise as biased as ever
    seen = odds(toy_oracle(front_bias=0.6, view_prompt_weight=0.4), RED, 180.0)[0, :4]
    torch.testing.assert_close(
        seen, 0.4 * torch.tensor([0, 0, 1.0, 0]) + 0.6 * torch.tensor([0.7, 0.1, 0.1, 0.1]).double()
    )


def test_without_view_words_all_cameras_are_told_the_same():
    seen = odds(toy_oracle(view_prompt_weight=0.0), RED, *AZIMUTHS)
    assert torch.equal(seen, seen[:1].expand_as(seen))


def test_a_prompt_may_name_the_view_itself():
    seen = odds(toy_oracle(), Request("A red thing,  back view"), 0.0)[0]
    assert int(seen.argmax()) == BACK and float(seen.max()) == 1.0
    negative = odds(toy_oracle(), Request("a red thing", "front view"), 0.0, name="unconditional")[0]
    torch.testing.assert_close(negative.view(3, 4)[:, FRONT], torch.full((3,), 1 / 3).double())


def test_interpolated_odds_go_over_linearly_and_end_above():
    prior = toy_oracle()
    between = prior.condition(RED).at(around(30.0, -120.0))["interpolated"][:, :4]
    wanted = torch.tensor([[2 / 3, 1 / 6, 0, 1 / 6], [0, 1 / 3, 1 / 3, 1 / 3]]).double()
    torch.testing.assert_close(between, wanted)
    above = prior.condition(RED).at(around(90.0, elevation=80.0))
    assert all(torch.equal(above[name], above["positive"]) for name in ("interpolated", "front", "side"))


def test_an_unknown_caption_names_the_nearest():
    with pytest.raises(ConfigError, match=r"prompt: no picture .* captioned 'a red thin'; near it are 'a red thing'"):
        toy_oracle().condition(Request("a red thin"))


def test_a_camera_says_which_view():
    prior = toy_oracle(cameras=CameraKernel(angle_deg=10))
    seen = odds(prior, RED, 5.0, 185.0, 135.0)[:, :4]
    wanted = torch.tensor([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, 0.5, 0.5, 0]]).double()
    torch.testing.assert_close(seen, wanted, atol=1e-9, rtol=0)
    of_any = odds(prior, RED, 180.0, name="unconditional")[0]
    torch.testing.assert_close(of_any.view(3, 4)[:, BACK], torch.full((3,), 1 / 3).double())


def test_the_kernel_is_normal_in_angle_and_distance():
    kernel = CameraKernel(angle_deg=60, distance=1.0)
    seen = toy_oracle(cameras=kernel).condition(RED).at(around(0.0, distance=4.0))["positive"][0, :4]
    wanted = torch.exp(-0.5 * (torch.tensor([0.0, 90, 180, 90]).double() / 60).square())
    torch.testing.assert_close(seen, wanted / wanted.sum())


@pytest.mark.parametrize("frame", [0.0, 77.0])
def test_a_reference_makes_cameras_relative_to_its_own(frame):
    prior, views = toy_oracle(cameras=CameraKernel(angle_deg=10)), toy_views()
    blue_from_the_left = views.images.picture[4 + LEFT : 5 + LEFT]
    request = Request("", references=(Reference(blue_from_the_left, around(frame)),))
    conditions = prior.condition(request).at(around(frame, frame + 90.0, frame - 90.0))
    assert conditions["positive"].argmax(dim=1).tolist() == [4 + LEFT, 4 + BACK, 4 + FRONT]
    torch.testing.assert_close(conditions["positive"].sum(dim=1), torch.ones(3).double())
    torch.testing.assert_close(conditions["unconditional"][0], torch.full((12,), 1 / 12).double())


def test_a_reference_says_nothing_to_a_prior_that_is_told_no_cameras():
    told, view = toy_oracle(), around(0.0)
    reference = Reference(Picture.opaque(torch.ones(1, 8, 8, 3)), view)
    referred = told.condition(Request("", references=(reference,))).at(view)
    assert torch.equal(referred["positive"], told.condition(Request("")).at(view)["positive"])


def test_renderings_of_any_size_are_encoded_with_gradient():
    prior = toy_oracle()
    rgb = torch.rand(1, 16, 16, 3, requires_grad=True)
    prior.encode(rgb).sum().backward()
    torch.testing.assert_close(rgb.grad.sum(), torch.tensor(2.0 * 8 * 8 * 3))  # d z / d rgb is 2
    small = torch.rand(1, 8, 8, 3)
    torch.testing.assert_close(prior.decode(prior.encode(small)), small)


def test_pictures_lie_over_the_background():
    views = toy_views()
    views.images.picture.alpha[:] = 0.0
    prior = Oracle(Oracle.Config(background=(0.25, 0.5, 0.75), device="cpu"), views)
    torch.testing.assert_close(prior.decode(prior.clean)[0, 0, 0], torch.tensor([0.25, 0.5, 0.75]))


def test_a_set_that_no_plugin_carries_is_refused():
    with pytest.raises(ValueError, match="no folder 'no-such-set', and no plugin carries"):
        Oracle.Config(path="no-such-set")


def test_an_oracle_without_pictures_says_where_to_get_some():
    with pytest.raises(ConfigError, match=r"prior.path: an oracle needs pictures; give a folder"):
        Oracle(Oracle.Config())


def test_objects_without_pictures_are_refused():
    views = toy_views()
    with pytest.raises(ValueError, match="captions of 4 objects"):
        CaptionedViews(views.images, views.objects, (*views.captions, ("a ghost",)))
