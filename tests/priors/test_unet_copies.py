"""Trainable copies begin as their prior, learn, leave it as it is, and hold no more state than what they train."""

from pathlib import Path

import pytest
import torch
from toy_views import toy_oracle

from maquette.config.capabilities import trainable_copy
from maquette.diffusion.noise import DiscreteSchedule
from maquette.errors import ConfigError
from maquette.priors.base import Request
from maquette.priors.oracle.gaussian import Gaussian
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.priors.text.unet_copies import LowRank
from views import around

VIEWS = around(0.0, 180.0)
STEPS = torch.tensor([100, 800])


def build(name: str, request: pytest.FixtureRequest):
    """A prior, its prompt, and something noisy that it denoises."""
    torch.manual_seed(0)
    if name == "gaussian":
        return Gaussian(Gaussian.Config(means={"red": (0.9, 0.1, 0.2)})), "red", torch.randn(2, 3, 4, 4)
    if name == "oracle":
        return toy_oracle(spread=0.2), "a red thing", torch.randn(2, 3, 8, 8)
    prior = StableDiffusion(
        StableDiffusion.Config(path=str(request.getfixturevalue(name)), dtype="float32", device="cpu")
    )
    return prior, "a red mug", torch.randn(2, prior.channels, 16, 16)


def kinds(*names: str) -> list[tuple[str, str]]:
    return [(name, kind) for name in names for kind in ("lora", "copy")]


ALL = [("gaussian", "copy"), ("oracle", "copy"), *kinds("tiny_pixel_model", "tiny_stable_diffusion")]


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_a_copy_begins_as_its_prior_whatever_the_camera(name, kind, request):
    prior, prompt, noisy = build(name, request)
    conditions = prior.condition(Request(prompt)).at(VIEWS)
    assert trainable_copy(kind) in prior.capabilities(prior.config).gives
    copy = prior.trainable_copy(kind, rank=2)
    for pose in (VIEWS.c2w.flatten(1), torch.zeros(2, 16)):
        output = copy(noisy, STEPS, conditions["viewless"], pose)
        found = prior.noise_schedule.epsilon(output, noisy, STEPS)
        wanted = prior.predict(noisy, STEPS, {"viewless": conditions["viewless"]}, VIEWS)["viewless"]
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_all_of_its_state_learns_the_camera_too_and_the_prior_stays(name, kind, request):
    prior, prompt, noisy = build(name, request)
    conditions = prior.condition(Request(prompt)).at(VIEWS)
    asked = {"positive": conditions["positive"]}
    before = prior.predict(noisy, STEPS, asked, VIEWS)["positive"]
    copy, pose = prior.trainable_copy(kind, rank=2), VIEWS.c2w.flatten(1)
    start = {key: value.clone() for key, value in copy.state_dict().items()}
    assert start.keys() == dict(copy.named_parameters()).keys()
    optimiser = torch.optim.Adam(copy.parameters(), 0.01)
    losses = []
    for _ in range(4):
        optimiser.zero_grad()
        loss = copy(noisy, STEPS, conditions["viewless"], pose).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    untold = copy(noisy, STEPS, conditions["viewless"], torch.zeros(2, 16))
    assert not torch.equal(copy(noisy, STEPS, conditions["viewless"], pose), untold)
    unmoved = [key for key, value in copy.state_dict().items() if torch.equal(value, start[key])]
    assert not [key for key in unmoved if not key.endswith("to_k.bias")]
    assert torch.equal(prior.predict(noisy, STEPS, asked, VIEWS)["positive"], before)


def test_low_rank_additions_share_the_weights_and_are_small(tiny_stable_diffusion: Path):
    prior = StableDiffusion(StableDiffusion.Config(path=str(tiny_stable_diffusion), dtype="float32", device="cpu"))
    attention = [name for name, _ in prior.unet.named_modules() if name.endswith(("to_q", "to_k", "to_v", "to_out.0"))]
    copy = prior.trainable_copy("lora", rank=2)
    network = copy._unet.module
    assert [name for name, layer in network.named_modules() if isinstance(layer, LowRank)] == attention
    theirs = {parameter.data_ptr() for parameter in prior.unet.parameters()}
    frozen = [parameter for parameter in network.parameters() if not parameter.requires_grad]
    assert {parameter.data_ptr() for parameter in frozen} == theirs
    assert sum(parameter.numel() for parameter in frozen) == sum(p.numel() for p in prior.unet.parameters())
    assert len(copy.state_dict()) == 2 * len(attention) + 4  # A and B, and a pose network of two layers


def test_a_low_rank_layer_is_the_sum_of_two_products():
    linear = torch.nn.Linear(5, 3)
    layer = LowRank(linear, rank=2)
    a, b = (torch.nn.init.normal_(part.weight) for part in layer.addition)
    x = torch.randn(7, 5)
    torch.testing.assert_close(layer(x), x @ (linear.weight + b @ a).T + linear.bias)


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_a_copy_stays_where_its_prior_is(name, kind, request):
    copy = build(name, request)[0].trainable_copy(kind, rank=2)
    torch.nn.Sequential(copy).to("meta")
    assert {parameter.device.type for parameter in copy.parameters()} == {"cpu"}


def test_v_and_clean_pictures_are_what_a_perfect_copy_gives():
    own = Gaussian(Gaussian.Config(means={}, dtype="float64")).noise_schedule
    clean, noise = torch.randn(2, 2, 3, 4, 4).double()
    alpha, sigma = own.alpha_sigma(STEPS)
    for prediction in ("epsilon", "v_prediction", "sample"):
        schedule = DiscreteSchedule(own.alphas_cumprod, prediction)
        wanted = schedule.target(clean, noise, STEPS)
        torch.testing.assert_close(schedule.epsilon(wanted, alpha * clean + sigma * noise, STEPS), noise)


def test_a_model_with_classes_of_its_own_is_refused(tiny_pixel_model: Path):
    prior = StableDiffusion(StableDiffusion.Config(path=str(tiny_pixel_model), dtype="float32", device="cpu"))
    prior.unet.class_embedding = torch.nn.Embedding(3, 64)
    with pytest.raises(ConfigError, match="has classes of its own"):
        prior.trainable_copy("lora", rank=2)
