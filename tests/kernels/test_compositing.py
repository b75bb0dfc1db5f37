"""Compositing: closed forms, and every backend against the reference."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from interpreted import TRITON, amount

from maquette.kernels.compositing import accumulate, composite, distortion

FAST_BACKENDS = ["numba", TRITON]
BACKENDS = ["reference", *FAST_BACKENDS]
COMPILED_ANEW = pytest.param("numba", marks=pytest.mark.slow)  # its kernels for float64, which only tests use


def random_samples(rays: int = 200, dtype: torch.dtype = torch.float32, longest: int = 0):
    """Rays of 0 to 19 samples, one of at least `longest`; the first, the last and about every twentieth have none."""
    keyed = torch.Generator().manual_seed(0)
    lengths = torch.randint(0, 20, (rays,), generator=keyed)
    lengths[0] = lengths[-1] = 0
    lengths[rays // 2] = max(int(lengths[rays // 2]), longest)
    ray_start = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    ray_index = torch.repeat_interleave(torch.arange(rays), lengths)
    n = len(ray_index)
    densities = torch.rand(n, generator=keyed, dtype=dtype) * 5
    deltas = torch.rand(n, generator=keyed, dtype=dtype) * 0.2
    values = torch.randn(n, 3, generator=keyed, dtype=dtype)
    return densities, deltas, values, ray_start, ray_index


def rendered_with_gradients(backend: str, densities, deltas, values, ray_start, ray_index):
    leaves = [tensor.clone().requires_grad_() for tensor in (densities, deltas, values)]
    rays = len(ray_start) - 1
    weights, transmittance = composite(leaves[0], leaves[1], ray_start, backend=backend)
    colour = accumulate(weights, leaves[2], ray_index, rays, backend=backend)
    keyed = torch.Generator().manual_seed(1)
    loss = (colour * torch.randn(rays, 3, generator=keyed, dtype=colour.dtype)).sum()
    loss = loss + (transmittance * torch.randn(len(densities), generator=keyed, dtype=colour.dtype)).sum()
    results = (weights, transmittance, colour)
    return (*(result.detach() for result in results), *torch.autograd.grad(loss, leaves))


@pytest.mark.parametrize("backend", BACKENDS)
def test_constant_density_has_the_opacity_of_beer_and_lambert(backend):
    sigma, distance, n = 1.7, 2.0, 64
    weights, _ = composite(
        torch.full((n,), sigma), torch.full((n,), distance / n), torch.tensor([0, n]), backend=backend
    )
    opacity = accumulate(weights, None, torch.zeros(n, dtype=torch.long), 1, backend=backend)
    assert opacity.item() == pytest.approx(1 - math.exp(-sigma * distance), abs=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_transmittance_starts_at_one_on_each_ray(backend):
    _, transmittance = composite(torch.ones(4), torch.ones(4), torch.tensor([0, 2, 2, 4]), backend=backend)
    expected = torch.tensor([1.0, math.exp(-1), 1.0, math.exp(-1)])
    torch.testing.assert_close(transmittance, expected)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_values_and_gradients_equal_the_reference(backend):
    samples = random_samples(amount(backend, 200, 24), longest=80)  # more than triton takes at once
    pairs = zip(rendered_with_gradients(backend, *samples), rendered_with_gradients("reference", *samples), strict=True)
    for actual, expected in pairs:
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", ["reference", COMPILED_ANEW])
def test_derivatives_equal_finite_differences(backend):
    densities, deltas, values, ray_start, ray_index = random_samples(rays=6, dtype=torch.float64)

    def render(densities, deltas, values):
        weights, transmittance = composite(densities, deltas, ray_start, backend=backend)
        return accumulate(weights, values, ray_index, 6, backend=backend), transmittance

    inputs = tuple(tensor.requires_grad_() for tensor in (densities, deltas, values))
    assert torch.autograd.gradcheck(render, inputs)
    if backend == "reference":
        assert torch.autograd.gradgradcheck(render, inputs)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_opaque_last_sample_stays_finite(backend):
    densities = torch.tensor([0.5, 1.0, 0.5, 1.0], requires_grad=True)
    deltas = torch.tensor([1.0, float("inf"), 1.0, 1e10])
    weights, _ = composite(densities, deltas, torch.tensor([0, 2, 4]), backend=backend)
    torch.testing.assert_close(weights[:2], weights[2:])
    assert weights[:2].sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_earlier_opaque_ray_leaves_the_next_one_exact(backend):
    densities = torch.cat([torch.full((50,), 1e6), torch.full((10,), 1e-3)])
    weights, _ = composite(densities, torch.full((60,), 0.1), torch.tensor([0, 50, 60]), backend=backend)
    assert weights[50:].sum().item() == pytest.approx(-math.expm1(-1e-3), rel=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_samples_give_zeros(backend):
    empty = torch.zeros(0, requires_grad=True)
    weights, transmittance = composite(empty, empty, torch.tensor([0, 0, 0]), backend=backend)
    colour = accumulate(weights, torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), 2, backend=backend)
    assert weights.shape == transmittance.shape == (0,)
    assert torch.equal(colour, torch.zeros(2, 3))
    colour.sum().backward()


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_runs_have_the_same_bits(backend):
    samples = random_samples(amount(backend, 3000, 10))
    runs = [rendered_with_gradients(backend, *samples) for _ in range(2)]
    assert all(torch.equal(first, second) for first, second in zip(*runs, strict=True))


@pytest.mark.parametrize("ray_start", [[0, 2], [1, 3], [0, 2, 1, 3], [0, 5, 3]])
def test_offsets_that_do_not_cover_the_samples_are_refused(ray_start):
    with pytest.raises(ValueError, match="rise from 0 to 3"):
        composite(torch.ones(3), torch.ones(3), torch.tensor(ray_start))


@pytest.mark.parametrize("ray_index", [[1, 0, 1], [0, 1, 2], [-1, 0, 1]])
def test_an_unsorted_or_foreign_ray_index_is_refused(ray_index):
    with pytest.raises(ValueError, match="between 0 and 1"):
        accumulate(torch.ones(3), None, torch.tensor(ray_index), 2)


def test_values_that_are_not_contiguous_get_their_gradient():
    # an output allocated like a transposed input would be written to in a copy
    torch.manual_seed(0)
    values = torch.rand(3, 6).requires_grad_()
    weights = torch.rand(12)[::2].requires_grad_()
    ray_index = torch.tensor([0, 0, 1, 1, 1, 2])
    found = torch.autograd.grad(accumulate(weights, values.T, ray_index, 3, backend="numba").sum(), [values, weights])
    wanted = torch.autograd.grad(
        accumulate(weights, values.T, ray_index, 3, backend="reference").sum(), [values, weights]
    )
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def spread_samples(dtype: torch.dtype = torch.float64, rays: int = 40):
    """Weights, middles and lengths of samples that follow each other along their rays."""
    densities, deltas, _, ray_start, ray_index = random_samples(rays, dtype)
    weights, _ = composite(densities, deltas, ray_start, backend="reference")
    ends = deltas.cumsum(0)
    return weights, ends - deltas / 2, deltas, ray_start, ray_index


@pytest.mark.parametrize("backend", ["reference", COMPILED_ANEW, TRITON])
def test_distortion_is_the_double_sum_of_its_definition(backend):
    weights, t, deltas, ray_start, _ = spread_samples()
    expected = []
    for first, last in pairwise(ray_start.tolist()):
        w, s = weights[first:last], t[first:last]
        pairs = (w[:, None] * w * (s[:, None] - s).abs()).sum()
        expected.append(pairs + (w.square() * deltas[first:last]).sum() / 3)
    found = distortion(weights, t, deltas, ray_start, backend=backend)
    torch.testing.assert_close(found, torch.stack(expected))


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_distortion_and_its_gradient_equal_the_reference(backend):
    weights, t, deltas, ray_start, _ = spread_samples(torch.float32)
    results = []
    for name in (backend, "reference"):
        leaf = weights.detach().clone().requires_grad_()
        values = distortion(leaf, t, deltas, ray_start, backend=name)
        upstream = torch.linspace(-1, 1, len(values))
        results.append((values.detach(), *torch.autograd.grad(values, leaf, upstream)))
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", ["reference", COMPILED_ANEW, TRITON])
def test_gradients_of_distortion_equal_finite_differences(backend):
    weights, t, deltas, ray_start, _ = spread_samples(rays=8)
    weights = weights.detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda w: distortion(w, t, deltas, ray_start, backend=backend), (weights,))


@pytest.mark.parametrize("backend", BACKENDS)
def test_distortion_of_no_samples_is_zero(backend):
    empty = torch.zeros(0, requires_grad=True)
    found = distortion(empty, empty, empty, torch.tensor([0, 0, 0]), backend=backend)
    assert torch.equal(found, torch.zeros(2))
    found.sum().backward()
