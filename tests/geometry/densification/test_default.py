"""Adaptive density control: what is cloned, split and pruned, and that it stays as it is."""

import pytest
import torch

from maquette.config.parts import PartSpec
from maquette.config.schedules import Schedule
from maquette.geometry.densification.default import DefaultDensification, plan_changes, sample_within
from maquette.geometry.gaussians import Gaussians
from maquette.kernels.splatting import ScreenStatistics, project
from maquette.randomness import Draws, Moment

Config = DefaultDensification.Config


def statistics(gradients: list[float], radius: float = 1.0) -> ScreenStatistics:
    n = len(gradients)
    return ScreenStatistics(
        torch.tensor(gradients, dtype=torch.float32), torch.ones(n).long(), torch.full((n,), radius)
    )


def planned(settings: Config, gradients: list[float], scales: list[float], opacities: list[float]):
    sizes = torch.tensor(scales)[:, None].repeat(1, 3)
    return plan_changes(settings, statistics(gradients), sizes, torch.tensor(opacities), 1.0, Moment.at(0, 100, 0))


def test_small_ones_are_cloned_large_ones_split_faint_ones_go():
    change = planned(
        Config(gradient=Schedule.constant(0.1)), [0, 1, 1, 1], [0.005, 0.005, 0.05, 0.05], [0.5] * 3 + [1e-4]
    )
    assert change.source.tolist() == [0, 1, 1, 2, 2]  # 1 and its clone; 2 gives way to two parts; 3 is gone
    assert change.fresh.tolist() == [False, False, True, True, True]
    assert change.split.tolist() == [False, False, False, True, True]


def test_a_cloud_grows_no_larger_than_allowed_and_first_where_gradients_are_largest():
    change = planned(Config(gradient=Schedule.constant(0.1), most=4), [1, 3, 2], [0.005] * 3, [0.5] * 3)
    assert sorted(change.source.tolist()) == [0, 1, 1, 2]


def test_growth_stops_when_its_schedule_says_so():
    settings = Config(gradient=Schedule((("0%", 0.1), ("50%", 0.0)), "step"))
    sizes, opacities = torch.full((1, 3), 0.005), torch.ones(1)
    counts = [
        len(plan_changes(settings, statistics([1.0]), sizes, opacities, 1.0, Moment.at(step, 100, 0)).source)
        for step in (49, 50)
    ]
    assert counts == [2, 1]


def test_places_within_have_the_spread_of_the_gaussian():
    n = 20_000
    quarter_turn = torch.tensor([0.5**0.5, 0, 0, 0.5**0.5]).repeat(n, 1)  # about z: x becomes y
    places = sample_within(torch.ones(n, 3), quarter_turn, torch.tensor([0.3, 0.1, 0.0]).repeat(n, 1), Draws(0, 0))
    assert places.mean(0).tolist() == pytest.approx([1, 1, 1], abs=0.01)
    assert places.std(0).tolist() == pytest.approx([0.1, 0.3, 0.0], rel=0.03)


def test_six_steps_give_the_numbers_that_they_always_gave():
    settings = Config(
        every=2, gradient=Schedule.constant(0.5), clone_below=0.15, prune=Schedule.constant(0.08), largest=0.6,
        reset_every=3, reset_to=0.2, most=70,
    )  # fmt: skip
    torch.manual_seed(0)
    spec = PartSpec("densification", "default", DefaultDensification, settings)
    geometry = Gaussians(Gaussians.Config(count=40, degree=1, densification=spec))
    start = Moment.at(0, 10, 3).draws
    with torch.no_grad():
        geometry.scales += start.normal("s", 40, 3) * 0.3
        geometry.opacities += start.normal("o", 40)
    c2w = torch.eye(4)
    c2w[2, 3] = 3.0
    counts = []
    for step in range(6):
        moment = Moment.at(step, 10, 5)
        means = geometry.means.detach().clone().requires_grad_()
        view = project(means, geometry.rotations.detach(), geometry.scales.detach().exp(), c2w, 60.0, 32, 32, near=0.1)
        view.means.retain_grad()
        (view.means * moment.draws.normal("w", len(means), 2)).sum().backward()
        geometry.adapt([view], moment.sub("after"), {})
        counts.append(len(geometry.means))
    assert counts == [40, 43, 43, 70, 70, 70]
    sums = [float(p.detach().double().sum()) for p in (geometry.means, geometry.scales, geometry.opacities)]
    assert sums == pytest.approx([7.9706013686954975, -491.0478422641754, -120.39418685436249], rel=1e-5)


def test_a_view_that_no_loss_is_of_counts_for_nothing():
    geometry = Gaussians(
        Gaussians.Config(count=10, densification=PartSpec("densification", "default", DefaultDensification, Config()))
    )
    c2w = torch.eye(4)
    c2w[2, 3] = 3.0
    means = geometry.means.detach().clone().requires_grad_()
    view = project(means, geometry.rotations.detach(), geometry.scales.detach().exp(), c2w, 60.0, 32, 32, near=0.1)
    view.means.retain_grad()
    assert geometry.adapt([view], Moment.at(0, 10, 0), {}) == []


def test_resets_without_other_changes_are_refused():
    with pytest.raises(ValueError, match="opacities are reset among the other changes: give every, too"):
        Config(every=0, reset_every=100)
