"""The field of a cloud: closed form, and the backends against each other."""

import math

import pytest
import torch

from maquette.kernels.gaussian_field import gaussian_field


def cloud(n: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    means = torch.rand(n, 3, generator=g) * 2 - 1
    scales = torch.rand(n, 3, generator=g) * 0.2 + 1e-3
    return means, torch.randn(n, 4, generator=g), scales, torch.rand(n, generator=g), torch.rand(n, 5, generator=g)


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_one_gaussian_is_its_closed_form_and_ends_at_three_deviations(backend):
    half = math.sqrt(0.5)
    turned = torch.tensor([[half, 0.0, 0.0, half]])  # a quarter about z: the long axis x lies along y
    points = torch.tensor([[0.0, 0.4, 0.0], [0.0, 1.3, 0.0], [0.2, 0.0, 0.0]])
    density, values = gaussian_field(
        points, torch.zeros(1, 3), turned, torch.tensor([[0.4, 0.1, 0.1]]), torch.tensor([0.8]), torch.ones(1, 1),
        backend=backend,
    )  # fmt: skip
    assert density.tolist() == pytest.approx([0.8 * math.exp(-0.5), 0.0, 0.8 * math.exp(-2)], abs=1e-6)
    assert values[:, 0].tolist() == pytest.approx([1, 0, 1])


@pytest.mark.parametrize(("gaussians", "points"), [(300, 2000), (1, 10), (0, 5), (7, 0)])
def test_numba_agrees_with_the_reference(gaussians, points):
    arguments = cloud(gaussians)
    places = torch.rand(points, 3, generator=torch.Generator().manual_seed(1)) * 3 - 1.5
    expected, found = (gaussian_field(places, *arguments, backend=b) for b in ("reference", "numba"))
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
