"""3DGS-MCMC: copies look as the one did, dead ones move, growth has a cap, and noise spares what is opaque."""

import pytest
import torch

from maquette.config.parts import PartSpec
from maquette.config.schedules import Schedule
from maquette.geometry.densification.mcmc import MCMCDensification, split_opacity
from maquette.geometry.gaussians import Gaussians
from maquette.randomness import Moment

RATES = {"means": 1e-3}
STILL = Schedule.constant(0.0)


def cloud(count: int = 40, flat: bool = False, **settings) -> Gaussians:
    torch.manual_seed(0)
    config = MCMCDensification.Config(**{"every": 1, "noise": STILL, **settings})
    spec = PartSpec("densification", "mcmc", MCMCDensification, config)
    geometry = Gaussians(Gaussians.Config(count=count, opacity=0.5, flat=flat, densification=spec))
    with torch.no_grad():
        geometry.features += torch.arange(count)[:, None, None]  # tells the Gaussians apart
    return geometry


@pytest.mark.parametrize("opacity", [0.01, 0.5, 0.9, 0.9999])
@pytest.mark.parametrize("copies", [1, 2, 5, 40])
def test_copies_have_the_density_of_the_one_at_the_centre_and_along_a_line(opacity, copies):
    each, shrink = split_opacity(torch.tensor([opacity], dtype=torch.float64), torch.tensor([copies]))
    x = torch.linspace(-40, 40, 400_001, dtype=torch.float64)
    one = opacity * torch.exp(-(x**2) / 2)
    together = 1 - (1 - each * torch.exp(-((x / shrink) ** 2) / 2)) ** copies
    assert float(together[200_000]) == pytest.approx(opacity, rel=1e-9)
    assert float(together.sum()) == pytest.approx(float(one.sum()), rel=1e-6)


def test_dead_ones_become_copies_of_live_ones():
    geometry = cloud(growth=STILL)
    with torch.no_grad():
        geometry.opacities[:10] = -8.0  # 0.0003
    (change,) = geometry.adapt([], Moment.at(0, 10, 0), RATES)
    source = geometry.features[:, 0, 0].detach().long()
    assert len(source) == 40 and set(source.tolist()) <= set(range(10, 40))
    assert source[10:].tolist() == list(range(10, 40)) and torch.sigmoid(geometry.opacities).min() > 0.005
    copied = torch.isin(torch.arange(40), source[:10]) | (torch.arange(40) < 10)
    assert torch.equal(change.rows, torch.where(copied, -1, torch.arange(40)))
    kept = (1 - torch.sigmoid(geometry.opacities.detach())).log().new_zeros(40)
    kept.index_add_(0, source, (1 - torch.sigmoid(geometry.opacities.detach())).log())
    assert (1 - kept[10:].exp()).tolist() == pytest.approx([0.5] * 30, abs=1e-5)  # all copies of one together


def test_it_grows_by_a_factor_up_to_its_cap():
    geometry, counts = cloud(growth=Schedule.constant(0.1), most=50), []
    for step in range(4):
        geometry.adapt([], Moment.at(step, 10, 0), RATES)
        counts.append(len(geometry.means))
    assert counts == [44, 49, 50, 50]


def test_growth_and_relocation_wait_for_their_step():
    geometry = cloud(every=3)
    assert [len(geometry.adapt([], Moment.at(step, 10, 0), RATES)) for step in range(3)] == [0, 0, 1]


@pytest.mark.parametrize("flat", [False, True])
def test_noise_moves_transparent_ones_within_their_covariance_and_opaque_ones_not(flat):
    geometry = cloud(4000, flat, every=0, noise=Schedule.constant(1e3))
    with torch.no_grad():
        geometry.scales[:] = torch.tensor([0.3, 0.1, 0.01]).log()
        geometry.rotations[:] = torch.tensor([0.5**0.5, 0, 0, 0.5**0.5])  # about z: x becomes y
        geometry.opacities[:2000] = torch.tensor(0.005).logit()
    before = geometry.means.detach().clone()
    assert geometry.adapt([], Moment.at(0, 10, 0), RATES) == []
    moved = geometry.means.detach() - before
    thickness = 0.003 if flat else 0.01
    assert moved[:2000].std(0).tolist() == pytest.approx([0.5 * s**2 for s in (0.1, 0.3, thickness)], rel=0.1)
    assert moved[2000:].abs().max() < 1e-6


def test_a_step_is_a_function_of_its_moment_and_of_what_a_checkpoint_holds():
    geometry = cloud(noise=Schedule.constant(1e5))
    geometry.adapt([], Moment.at(0, 10, 1), RATES)
    again = cloud(7, noise=Schedule.constant(1e5))
    again.load_state_dict(geometry.state_dict())
    for one in (geometry, again):
        one.adapt([], Moment.at(1, 10, 1), RATES)
    assert all(torch.equal(a, b) for a, b in zip(geometry.parameters(), again.parameters(), strict=True))


def test_where_all_are_dead_they_stay():
    geometry = cloud(growth=STILL)
    with torch.no_grad():
        geometry.opacities[:] = -9.0
    assert geometry.adapt([], Moment.at(0, 10, 0), RATES) == []


def test_one_gaussian_with_many_copies_takes_no_memory_of_the_others():
    copies = torch.ones(50_000, dtype=torch.long)
    copies[7] = 20_000  # a table of all rows and numbers would take 8 GB for each of its steps
    each, shrink = split_opacity(torch.full((50_000,), 0.5), copies)
    assert float(each[0]) == pytest.approx(0.5) and float(shrink[0]) == pytest.approx(1.0) and each[7] < 1e-4
