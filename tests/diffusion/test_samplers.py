"""Samplers against what they have to reach: the probability flow and the distribution of a Gaussian, by any network."""

from dataclasses import dataclass

import pytest
import torch

from closed_form import Gaussian, flow
from maquette.diffusion import ddim
from maquette.diffusion.noise import ALMOST_ZERO, DiscreteSchedule
from maquette.diffusion.noise.cosine import cosine_levels
from maquette.diffusion.noise.scaled_linear import scaled_linear_levels
from maquette.diffusion.samplers import sample_from_noise
from maquette.randomness import Draws

MEAN, VARIANCE = 0.5, 0.25
DRAWS = Draws(0, 0)
NOISE = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@dataclass
class Network:
    """A network of any prediction type that knows pictures of N(MEAN, VARIANCE), as a prior converts its output."""

    noise_schedule: DiscreteSchedule
    evaluations: int = 0
    low: int = 10**6

    def noise(self, noisy: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        self.evaluations, self.low = self.evaluations + 1, min(self.low, int(t.min()))
        alpha, sigma = self.noise_schedule.alpha_sigma(t)
        clean = MEAN + alpha * VARIANCE * (noisy - alpha * MEAN) / (alpha**2 * VARIANCE + sigma**2)
        kind = self.noise_schedule.prediction
        if kind == "sample":
            output = clean
        elif kind == "v_prediction":  # v = alpha epsilon - sigma z_0, without a division by alpha or sigma
            output = alpha * sigma * (noisy - alpha * MEAN) / (alpha**2 * VARIANCE + sigma**2) - sigma * clean
        else:
            output = sigma * (noisy - alpha * MEAN) / (alpha**2 * VARIANCE + sigma**2)
        return self.noise_schedule.epsilon(output, noisy, t)


def zero_snr() -> torch.Tensor:
    """Stable Diffusion's alphas, rescaled to no signal at the last timestep.

    Source: Lin et al. 2023 (arXiv 2305.08891), algorithm 1.
    """
    root = scaled_linear_levels(1000).sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return torch.where(root == 0, ALMOST_ZERO, root.square()).float()


TABLES = {
    "scaled-linear": scaled_linear_levels(1000).float(), "cosine": cosine_levels(1000).float(),
    "zero-snr": zero_snr(),
}  # fmt: skip
NETWORKS = [("scaled-linear", "epsilon"), ("cosine", "sample"), ("zero-snr", "v_prediction"), ("zero-snr", "sample")]


@pytest.mark.parametrize(("table", "prediction"), NETWORKS)
@pytest.mark.parametrize("sampler", ["ddim", "dpm-solver++"])
def test_deterministic_samplers_follow_the_probability_flow(sampler, table, prediction):
    network = Network(DiscreteSchedule(TABLES[table], prediction))
    alpha, sigma = (float(value) for value in network.noise_schedule.alpha_sigma(torch.tensor([999])))
    steps = {"ddim": 500, "dpm-solver++": 200}[sampler]
    sampled = sample_from_noise(sampler, network, NOISE, steps, DRAWS)
    expected = flow(Gaussian(VARIANCE), NOISE, MEAN, (alpha, sigma), (1.0, 0.0))
    torch.testing.assert_close(sampled, expected, rtol=0, atol=0.03)


@pytest.mark.parametrize(("table", "prediction"), NETWORKS)
def test_euler_ancestral_samples_have_the_mean_and_variance_of_the_pictures(table, prediction):
    network = Network(DiscreteSchedule(TABLES[table], prediction))
    sampled = sample_from_noise("euler-ancestral", network, NOISE, 200, DRAWS)
    assert float(sampled.mean()) == pytest.approx(MEAN, abs=0.03)
    assert float(sampled.var()) == pytest.approx(VARIANCE, rel=0.08)


def test_euler_ancestral_steps_forget_the_initial_noise_and_go_by_their_draws():
    network = Network(DiscreteSchedule(TABLES["cosine"]))
    one, again, other = (sample_from_noise("euler-ancestral", network, NOISE, 20, Draws(s, 0)) for s in (0, 0, 1))
    assert torch.equal(one, again)
    assert abs(float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])) < 0.5


def test_ddim_is_the_ddim_of_the_objectives():
    network = Network(DiscreteSchedule(TABLES["cosine"]))
    assert torch.equal(sample_from_noise("ddim", network, NOISE, 7, DRAWS), ddim.sample(network, NOISE, 999, 7))


@pytest.mark.parametrize("sampler", ["ddim", "euler-ancestral", "dpm-solver++"])
@pytest.mark.parametrize("steps", [1, 2, 61, 103])  # diffusers' own timesteps end at -1 for the latter two
def test_each_step_is_one_evaluation_at_a_timestep_that_exists(sampler, steps):
    network = Network(DiscreteSchedule(TABLES["cosine"]))
    assert bool(sample_from_noise(sampler, network, NOISE, steps, DRAWS).isfinite().all())
    assert network.evaluations == steps and network.low >= 0


@pytest.mark.parametrize("sampler", ["ddim", "euler-ancestral", "dpm-solver++"])
def test_more_steps_than_timesteps_are_as_many(sampler):
    network = Network(DiscreteSchedule(torch.linspace(0.99, 0.01, 10)))
    assert bool(sample_from_noise(sampler, network, NOISE, 25, DRAWS).isfinite().all())
    assert network.evaluations <= 10


def test_the_solver_needs_fewer_steps_than_ddim():
    network = Network(DiscreteSchedule(TABLES["cosine"]))
    alpha, sigma = (float(value) for value in network.noise_schedule.alpha_sigma(torch.tensor([999])))
    expected = flow(Gaussian(VARIANCE), NOISE, MEAN, (alpha, sigma), (1.0, 0.0))
    errors = [
        float((sample_from_noise(sampler, network, NOISE, 12, DRAWS) - expected).abs().max())
        for sampler in ("ddim", "dpm-solver++")
    ]
    assert errors[1] < errors[0] / 2
