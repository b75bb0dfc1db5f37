"""Variational score distillation where every answer is known: a Gaussian prior and a copy that learns a Gaussian."""

import pytest
import torch

from maquette.cameras import orbit_cameras
from maquette.config.capabilities import NOISE_PREDICTION
from maquette.config.parts import PartSpec, part
from maquette.config.schedules import Schedule
from maquette.diffusion.noise import DiscreteSchedule
from maquette.errors import ConfigError
from maquette.objectives.base import denoiser_input, draw_timesteps, timestep_weight
from maquette.objectives.sds import SDS
from maquette.objectives.terms import Terms
from maquette.objectives.vsd import VSD
from maquette.priors.base import Request
from maquette.priors.oracle.gaussian import Gaussian
from maquette.randomness import Draws, Moment
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from maquette.scores.plain import Plain
from views import front, rendering

SCHEDULE = DiscreteSchedule(torch.linspace(0.999, 0.01, 1000))

MEAN, DEVIATION = 0.4, 0.3  # of the prior's pictures, in units where black is -1 and white is 1
RED, PLAIN = Request("red"), Plain(Plain.Config())
STEP, TOTAL = 3, 10


def prior(deviation: float = DEVIATION, **config) -> Gaussian:
    means = {"red": ((MEAN + 1) / 2,) * 3}
    return Gaussian(Gaussian.Config(**{"means": means, "deviation": deviation, "dtype": "float64", **config}))


def vsd(**config) -> VSD:
    return VSD(VSD.Config(**{"copy": "copy", **config}))


def pictures(count: int, mean: float, deviation: float, size: int = 4) -> torch.Tensor:
    """Pictures [B, H, W, 3] in [0, 1] units whose pixels are normal."""
    noise = Draws(0, 0).normal("pictures", count, size, size, 3).double()
    return (mean + deviation * noise + 1) / 2


def terms(objective, rgb, source, score=PLAIN, step: int = STEP, views=None) -> Terms:
    views = front(len(rgb)) if views is None else views
    conditions = source.condition(RED).at(views)
    return objective(rendering(rgb), Denoiser(source, score, conditions, views), Moment(step, TOTAL, Draws(0, step)))


def pulls(objective, rgb, source, score=PLAIN) -> torch.Tensor:
    """The gradient G that each picture's z = 2 rgb - 1 gets [B, 3, h, w]."""
    rgb = rgb.clone().requires_grad_(True)
    terms(objective, rgb, source, score).total().backward()
    return rgb.grad.permute(0, 3, 1, 2) * len(rgb) / 2


def test_the_gradient_is_the_difference_of_two_predictions():
    source, rgb, score = prior(), pictures(2, 0.0, 0.5), CFG(CFG.Config(scale=7.5))
    objective = vsd()
    copy = objective.prepare(source, RED, None)
    with torch.no_grad():
        copy.shift.fill_(-0.3)
        copy.deviation.fill_(0.7)
    z = denoiser_input(rendering(rgb), source)
    t = draw_timesteps(source, 2, part("timesteps", "uniform"), Moment(STEP, TOTAL, Draws(0, STEP)))
    alpha, sigma = source.noise_schedule.alpha_sigma(t)
    noisy = alpha * z + sigma * Draws(0, STEP).normal("noise", *z.shape)

    def noise(mean: float, deviation: float) -> torch.Tensor:
        return sigma * (noisy - alpha * mean) / (sigma**2 + (alpha * deviation) ** 2)

    guided = noise(0.0, DEVIATION) + 7.5 * (noise(MEAN, DEVIATION) - noise(0.0, DEVIATION))  # grey is 0
    wanted = timestep_weight("sigma2", alpha, sigma) * (guided - noise(MEAN - 0.3, 0.7))
    torch.testing.assert_close(pulls(objective, rgb, source, score), wanted)


def test_a_copy_that_knows_the_one_picture_exactly_makes_it_sds():
    # row 2: the copy of a single picture, all of one colour, sees the very noise in it
    source, rgb = prior(), torch.full((1, 4, 4, 3), 0.8).double()
    objective = vsd()
    copy = objective.prepare(source, RED, None)
    with torch.no_grad():
        copy.shift.fill_(0.6 - MEAN)
        copy.deviation.zero_()
    torch.testing.assert_close(pulls(objective, rgb, source), pulls(SDS(SDS.Config()), rgb, source))


def test_where_renderings_are_distributed_as_the_priors_pictures_nothing_is_pulled():
    source, rgb = prior(), pictures(8, MEAN, DEVIATION)
    objective = vsd()
    objective.prepare(source, RED, None)  # the copy knows their distribution: it is the prior's
    assert pulls(objective, rgb, source).abs().max() < 1e-12
    assert pulls(SDS(SDS.Config()), rgb, source).abs().max() > 0.1


def test_the_copy_learns_the_distribution_of_the_renderings():
    source, rgb = prior(), pictures(16, -0.5, 0.1)
    objective = vsd()
    copy = objective.prepare(source, RED, None)
    optimiser = torch.optim.Adam(copy.parameters(), 0.04)
    for step in range(150):
        optimiser.zero_grad()
        terms(objective, rgb, source, step=step).auxiliary["copy"].backward()
        optimiser.step()
    z = denoiser_input(rendering(rgb), source)
    torch.testing.assert_close(copy.shift + MEAN, z.mean(dim=(0, 2, 3)), rtol=0, atol=0.03)
    torch.testing.assert_close(copy.deviation, z.std(dim=(0, 2, 3)), rtol=0, atol=0.05)


def test_the_copy_learns_what_each_camera_sees():
    source, ones = prior(), torch.ones(8)
    views = orbit_cameras(torch.tensor([0.0, 180.0] * 4), 0 * ones, ones, 40 * ones, 4)
    rgb = pictures(8, 0.0, 0.3) + torch.tensor([0.3, -0.3] * 4).double()[:, None, None, None]
    objective = vsd(camera_dropout=0.0)
    copy = objective.prepare(source, RED, None)
    optimiser = torch.optim.Adam(copy.parameters(), 0.02)
    for step in range(150):
        optimiser.zero_grad()
        terms(objective, rgb, source, step=step, views=views).auxiliary["copy"].backward()
        optimiser.step()
    means = copy.shift + MEAN + views.c2w[:2].flatten(1).double() @ copy.turn.T
    z = denoiser_input(rendering(rgb), source)
    seen = torch.stack([z[0::2].mean(dim=(0, 2, 3)), z[1::2].mean(dim=(0, 2, 3))])
    torch.testing.assert_close(means, seen, rtol=0, atol=0.1)


def test_dropped_cameras_are_not_told():
    source, rgb = prior(), pictures(4, 0.0, 0.3)
    told, untold = (vsd(camera_dropout=share) for share in (0.0, 1.0))
    for objective in (told, untold):
        copy = objective.prepare(source, RED, None)
        terms(objective, rgb, source).auxiliary["copy"].backward()
        objective.gradient = copy.turn.grad
    assert untold.gradient.abs().max() == 0 < told.gradient.abs().max()


def test_neither_loss_reaches_what_is_the_others():
    source, rgb = prior(), pictures(2, 0.0, 0.3).requires_grad_(True)
    objective = vsd()
    copy = objective.prepare(source, RED, None)
    torch.nn.init.ones_(copy.shift)
    found = terms(objective, rgb, source)
    found.losses["vsd"].backward()
    assert rgb.grad.abs().sum() > 0 and all(parameter.grad is None for parameter in copy.parameters())
    before = rgb.grad.clone()
    found.auxiliary["copy"].backward()
    assert torch.equal(rgb.grad, before) and all(parameter.grad is not None for parameter in copy.parameters())


def distilled(objective, source: Gaussian, score, steps: int, rate: float, count: int = 64) -> torch.Tensor:
    """Particles of 4 x 4 pixels, optimised; z [count, 3, 4, 4]."""
    rgb = pictures(count, -0.5, 0.05).requires_grad_(True)
    beside = objective.prepare(source, RED, None)
    groups = [{"params": [rgb], "lr": rate}]
    if beside is not None:
        groups.append({"params": list(beside.parameters()), "lr": 3 * rate})
    optimiser = torch.optim.Adam(groups)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] *= 0.1 ** (1 / steps)
        optimiser.zero_grad()
        terms(objective, rgb, source, score, step=step).total().backward()
        optimiser.step()
    return denoiser_input(rendering(rgb.detach()), source)


@pytest.mark.claims
def test_particles_take_the_priors_distribution_and_under_sds_they_collapse():
    # row 11: DF-3 and VSD-2 at the smallest scale, without guidance
    source = prior()
    spread = {
        name: distilled(objective, source, PLAIN, 1500, 0.01)
        for name, objective in (("vsd", vsd()), ("sds", SDS(SDS.Config())))
    }
    for found in spread.values():
        assert float(found.mean()) == pytest.approx(MEAN, abs=0.03)
    assert float(spread["vsd"].std(dim=0).mean()) == pytest.approx(DEVIATION, rel=0.15)
    assert float(spread["sds"].std(dim=0).mean()) < 0.3 * DEVIATION


def test_particles_keep_a_spread_that_sds_takes_from_them():
    vsd_z, sds_z = (
        distilled(objective, prior(), PLAIN, 150, 0.05, count=16) for objective in (vsd(), SDS(SDS.Config()))
    )
    assert float(vsd_z.std(dim=0).mean()) > 2 * float(sds_z.std(dim=0).mean())


def test_a_copy_may_be_of_another_prior_with_the_same_levels():
    base = PartSpec("prior", "gaussian", Gaussian, Gaussian.Config(means={"red": (0.1,) * 3}, dtype="float64"))
    objective = vsd(base=base)
    assert objective.capabilities(objective.config).needs == {NOISE_PREDICTION}
    source = prior()
    objective.prepare(source, RED, None)
    rgb = pictures(2, 0.0, 0.3)
    found = pulls(objective, rgb, source)
    plain = vsd()
    copy = plain.prepare(source, RED, None)
    with torch.no_grad():
        copy.shift.fill_(-0.8 - MEAN)
        copy.deviation.fill_(0.5)
    torch.testing.assert_close(found, pulls(plain, rgb, source))


def test_a_base_with_other_levels_is_refused():
    base = PartSpec(
        "prior", "gaussian", Gaussian, Gaussian.Config(means={"red": (0.1,) * 3}, noise=part("noise", "scaled-linear"))
    )
    with pytest.raises(ConfigError, match="the base has another noise schedule than the prior"):
        vsd(base=base).prepare(prior(), RED, None)


def test_its_defaults_are_the_papers():
    config = VSD.Config()
    assert (config.weighting, config.learning_rate(0, 1), config.camera_dropout) == ("sigma2", 1e-4, 0.1)
    drawn = config.copy_timesteps.build().draw(20_000, Moment(0, 10, Draws(0, 0)), SCHEDULE)
    assert (int(drawn.min()), int(drawn.max())) == (0, 999)
    assert config.timesteps == part("timesteps", "uniform", low=Schedule.constant(0.02), high=Schedule.constant(0.98))
