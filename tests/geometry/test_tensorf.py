"""Factored fields: their sums by plain loops, their normals, what they can fit."""

import pytest
import torch

from maquette.geometry.tensorf import TensoRF
from maquette.losses.total_variation import TotalVariation

BOTH = pytest.mark.parametrize("decomposition", ["vm", "triplane"])


def field(**config) -> TensoRF:
    torch.manual_seed(0)
    small = {"resolution": 12, "density_components": 3, "feature_components": 4, "width": 16}
    return TensoRF(TensoRF.Config(**{**small, **config}))


def linear(samples: torch.Tensor, place: float) -> torch.Tensor:
    """A line [R, N] over [-1, 1] at `place`."""
    at = (place + 1) / 2 * (samples.shape[1] - 1)
    left = min(int(at), samples.shape[1] - 2)
    return samples[:, left] * (left + 1 - at) + samples[:, left + 1] * (at - left)


def bilinear(samples: torch.Tensor, row: float, column: float) -> torch.Tensor:
    """A plane [R, N, N] at (row, column)."""
    return linear(torch.stack([linear(line, column) for line in samples.unbind(1)], dim=1), row)


def test_vm_is_a_sum_over_axes_of_planes_times_lines():
    factors = field(decomposition="vm").shape
    for x, y, z in torch.rand(5, 3).mul(2).sub(1).tolist():
        expected = torch.cat([
            bilinear(factors.planes[0], y, z) * linear(factors.lines[0], x),
            bilinear(factors.planes[1], z, x) * linear(factors.lines[1], y),
            bilinear(factors.planes[2], x, y) * linear(factors.lines[2], z),
        ])  # fmt: skip
        torch.testing.assert_close(factors(torch.tensor([[x, y, z]]))[0], expected, atol=1e-6, rtol=1e-5)


def test_a_tri_plane_is_a_sum_of_three_planes():
    factors = field(decomposition="triplane").shape
    for x, y, z in torch.rand(5, 3).mul(2).sub(1).tolist():
        expected = (
            bilinear(factors.planes[0], y, z) + bilinear(factors.planes[1], z, x) + bilinear(factors.planes[2], x, y)
        )
        torch.testing.assert_close(factors(torch.tensor([[x, y, z]]))[0], expected, atol=1e-6, rtol=1e-5)


def test_vm_density_is_the_sum_of_its_components_activated():
    made, points = field(bound=2.0, blob="none", shift=-3.0, activation="exp"), torch.rand(6, 3) * 2
    torch.testing.assert_close(made.density(points), torch.exp(made.shape(points / 2).sum(-1) - 3))


def test_without_hidden_layers_features_are_a_linear_basis():
    made, points = field(layers=0, channels=5), torch.rand(6, 3)
    basis = made.to_features[0].weight
    assert basis.shape == (5, 12)
    torch.testing.assert_close(made.query(points).features, made.paint(points) @ basis.T)


@BOTH
@pytest.mark.parametrize("normals", ["analytic", "finite-difference"])
def test_normals_point_out_of_the_blob_and_train_the_factors(decomposition, normals):
    made = field(decomposition=decomposition, normals=normals)
    points = torch.nn.functional.normalize(torch.randn(50, 3), dim=-1) * 0.4
    normal = made.query(points, normals=True).normal
    assert (normal * torch.nn.functional.normalize(points, dim=-1)).sum(-1).min() > 0.9
    normal[:, 0].sum().backward()
    assert made.shape.planes.grad.abs().sum() > 0


@BOTH
def test_every_parameter_is_in_one_group_and_learns(decomposition):
    made = field(decomposition=decomposition)
    sample = made.query(torch.rand(50, 3) - 0.5)
    (sample.density.sum() + sample.features.square().sum()).backward()
    groups = made.groups()
    assert set(groups) == {"geometry", "network"}
    assert {id(p) for group in groups.values() for p in group} == {id(p) for p in made.parameters()}
    assert sum(map(len, groups.values())) == len(list(made.parameters()))
    assert all(p.grad.abs().sum() > 0 for p in made.parameters())


@BOTH
def test_total_variation_is_zero_for_constant_factors_alone(decomposition):
    made, loss = field(decomposition=decomposition), TotalVariation(TotalVariation.Config())
    assert loss.capabilities(loss.config).needs <= made.capabilities(made.config).gives
    assert loss(None, made) > 0
    for factors in (made.shape, made.paint):
        for parameter in factors.parameters():
            torch.nn.init.constant_(parameter, 0.7)
    assert loss(None, made) == 0


def fitted(decomposition: str, steps: int, count: int) -> tuple[float, float]:
    """Overlap with a coloured ball, and mean error of the colours in it, after some steps of `count` points."""
    made = field(decomposition=decomposition, resolution=24, density_components=6, feature_components=6, blob="none")
    optimiser = torch.optim.Adam(
        [{"params": made.groups()["geometry"], "lr": 0.03}, {"params": made.groups()["network"], "lr": 5e-3}]
    )
    for _ in range(steps):
        points = torch.rand(count, 3) * 2 - 1
        inside, colors = ball(points)
        found = made.query(points)
        opacity = 1 - torch.exp(-0.2 * found.density)
        wrong = (torch.sigmoid(found.features) - colors).square().sum(-1)[inside]
        optimiser.zero_grad()
        ((opacity - inside.float()).square().mean() + wrong.mean()).backward()
        optimiser.step()
    points = torch.rand(5000, 3) * 2 - 1
    inside, colors = ball(points)
    with torch.no_grad():
        found = made.query(points)
    solid = 1 - torch.exp(-0.2 * found.density) > 0.5
    overlap = (solid & inside).sum() / (solid | inside).sum()
    return float(overlap), float((torch.sigmoid(found.features) - colors)[inside].abs().mean())


@BOTH
def test_a_ball_takes_shape_and_colour_in_a_few_steps(decomposition):
    overlap, error = fitted(decomposition, 60, 256)
    assert overlap > 0.4 and error < 0.15


@pytest.mark.claims
@BOTH
def test_a_coloured_ball_can_be_fitted(decomposition):
    overlap, error = fitted(decomposition, 200, 1024)
    assert overlap > 0.85 and error < 0.06


def ball(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether points lie in a ball off the centre, and its colours: red grows with x, green is up, blue is constant."""
    inside = (points - torch.tensor([0.1, -0.2, 0.15])).norm(dim=-1) < 0.55
    red, green = points[:, 0] / 2 + 0.5, (points[:, 2] > 0).float() * 0.6 + 0.2
    return inside, torch.stack([red, green, 0 * red + 0.3], dim=-1)
