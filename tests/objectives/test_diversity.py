"""What SDS and VSD keep of the spread of the prior's pictures: row 11, VSD-2 and VSD-3, of the matrix of claims.

Pictures have one pixel, normal about a colour that differs little from grey, and particles are such pictures. The prior
is exact, and the copy can be; several runs go in one batch.
"""

import itertools

import pytest
import torch
from torch import nn

from maquette.objectives.base import Objective
from maquette.objectives.sds import SDS
from maquette.objectives.vsd import VSD
from maquette.priors.base import Request, TrainableCopy
from maquette.priors.oracle.closed_form import expected_noise
from maquette.priors.oracle.gaussian import Gaussian
from maquette.randomness import Draws, Moment
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from views import front, rendering

pytestmark = pytest.mark.claims

MEAN, DEVIATION = torch.tensor((0.04, -0.02, -0.02)).double(), 0.3  # where black is -1 and white is 1
RUNS, TOGETHER = 3, 64  # repetitions, and pictures whose distribution is looked at
PICTURES, STEPS = RUNS * TOGETHER, 600
RED = Request("red")


class Grouped(Gaussian):
    """The prior, which makes a copy for each `size` consecutive pictures: runs of their own."""

    def __init__(self, size: int = TOGETHER) -> None:
        red = tuple(((MEAN + 1) / 2).tolist())
        super().__init__(Gaussian.Config(means={"red": red}, deviation=DEVIATION, dtype="float64"))
        self.size = size

    def trainable_copy(self, kind, rank):
        return CopyOfEach(self, PICTURES // self.size)


class CopyOfEach(TrainableCopy):
    """The prior's own copy, once for each group; all pictures have one camera, which it is not told."""

    def __init__(self, prior: Gaussian, groups: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(groups, 1, 3, 1, 1).double())
        self.deviation = nn.Parameter(torch.full((groups, 1, 3, 1, 1), DEVIATION).double())
        self.noise_schedule = prior.noise_schedule

    def forward(self, noisy, steps, condition, pose):
        noisy, mean, alpha, sigma = (
            value.unflatten(0, (len(self.shift), -1))
            for value in (noisy, condition, *self.noise_schedule.alpha_sigma(steps))
        )
        return expected_noise(noisy, mean + self.shift, alpha, sigma, self.deviation).flatten(0, 1)


def distilled(objective: Objective, prior: Gaussian, scale: float = 1.0) -> torch.Tensor:
    """Particles that started as much the same dark grey [RUNS, TOGETHER, 3]."""
    start = -0.5 + 0.05 * Draws(0, 0).normal("start", PICTURES, 1, 1, 3).double()
    rgb = ((start + 1) / 2).requires_grad_(True)
    groups = [{"params": [rgb], "lr": 0.02}]
    copy = objective.prepare(prior, RED, None)
    if copy is not None:
        groups.append({"params": list(copy.parameters()), "lr": 0.05})
    optimiser, score, views = torch.optim.Adam(groups), CFG(CFG.Config(scale=scale)), front(PICTURES)
    conditions = prior.condition(RED).at(views)
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] *= 0.1 ** (1 / STEPS)
        optimiser.zero_grad()
        objective(
            rendering(rgb), Denoiser(prior, score, conditions, views), Moment(step, STEPS, Draws(0, step))
        ).total().backward()
        optimiser.step()
    return (2 * rgb.detach() - 1).view(RUNS, TOGETHER, 3)


def sds() -> SDS:
    return SDS(SDS.Config())


def vsd() -> VSD:
    return VSD(VSD.Config(copy="copy"))


def spread(z: torch.Tensor) -> torch.Tensor:
    """Standard deviation of each run's particles, in the data's."""
    return z.std(dim=1, correction=0).mean(dim=-1) / DEVIATION


def distance(z: torch.Tensor) -> torch.Tensor:
    """2-Wasserstein distance of the normal fitted to each run's particles from the data, per colour, in deviations."""
    apart = (z.mean(dim=1) - MEAN).square() + (z.std(dim=1, correction=0) - DEVIATION).square()
    return apart.sqrt().mean(dim=-1) / DEVIATION


def chroma(z: torch.Tensor) -> torch.Tensor:
    """Mean difference of the largest and smallest colour of each run's particles, cut to [0, 1]."""
    rgb = ((z + 1) / 2).clamp(0, 1)
    return (rgb.amax(dim=-1) - rgb.amin(dim=-1)).mean(dim=-1)


def test_guidance_saturates_sds_which_has_no_spread_at_any_scale():
    # the data's chroma is 0.26; SDS has 0.03, 0.23, 0.80 and 1.00, at 1 as pale as the mean. Its spread is 0.04 to 0.05
    # of the data's at all scales and has nowhere to fall to: guidance moves this prior's mean, m_u + s (m_c - m_u).
    data = chroma(MEAN + DEVIATION * Draws(0, 0).normal("data", RUNS, 4096, 3).double()).mean()
    found = [distilled(sds(), Grouped(), scale) for scale in (1.0, 7.5, 30.0, 100.0)]
    colours = [chroma(z) for z in found]
    assert colours[0].max() < 0.3 * data and colours[2].min() > 2 * data
    for weaker, stronger in itertools.pairwise(colours):
        assert stronger.min() > weaker.max() + 0.1
    assert all(spread(z).max() < 0.15 for z in found)


def test_vsd_keeps_the_datas_spread_at_low_scales():
    # spread 0.98 to 1.00 of the data's, SDS 0.05; distance 0.04 to 0.07 at scale 1, SDS 0.95; 0.54 to 0.60 at 7.5,
    # where the mean alone is moved by 0.58, SDS 1.12. At 100 VSD has gone where SDS has: 8.7 for both.
    for scale, wanted in ((1.0, 0.0), (7.5, float((6.5 * MEAN).abs().mean()) / DEVIATION)):
        found = distilled(vsd(), Grouped(), scale)
        assert (spread(found) - 1).abs().max() < 0.1
        assert (distance(found) - wanted).abs().max() < 0.2
        assert distance(found).max() < 0.7 * distance(distilled(sds(), Grouped(), scale)).min()


def test_more_particles_bring_vsd_nearer_to_the_data_and_one_is_nearer_than_sds():
    # 64 particles of runs of n each: 0.95 with SDS, 0.50 with n = 1, 0.17 with 4, 0.05 with 16. Over six other seeds
    # 0.52 to 0.57, 0.15 to 0.20, 0.05 to 0.08. 64 samples of the data itself are at 0.13 +- 0.04. A copy of one
    # particle would know it exactly and make SDS of it, if it had not to learn it.
    distances = [distance(distilled(sds(), Grouped()))]
    distances += [distance(distilled(vsd(), Grouped(n))) for n in (1, 4, 16)]
    for farther, nearer in itertools.pairwise(distances):
        assert nearer.mean() < 0.75 * farther.mean()
