"""The selection layer: a delta is a shift with repeated edges, mixtures are sums, all backends equal the reference."""

from __future__ import annotations

import pytest
import torch
from interpreted import TRITON, amount
from torch.nn import functional

from maquette.kernels.selection import select

BACKENDS = ["reference", "numba", TRITON]
FAST_BACKENDS = ["numba", TRITON]


def random_inputs(height: int = 4, width: int = 9, shifts: int = 5, dtype: torch.dtype = torch.float32):
    keyed = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, height, width, generator=keyed, dtype=dtype)
    logits = torch.randn(2, shifts, height, width, generator=keyed, dtype=dtype)
    return image, logits.softmax(1)


def shifted_by_hand(image: torch.Tensor, shift: int) -> torch.Tensor:
    width = image.shape[-1]
    columns = [min(max(x - shift, 0), width - 1) for x in range(width)]
    return torch.stack([image[..., x] for x in columns], dim=-1)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shift", [-15, -4, -1, 0, 1, 3, 16])
def test_a_delta_is_a_shift_with_repeated_edges(backend, shift):
    image, _ = random_inputs()
    shifts = sorted({-2, 5, shift})
    delta = torch.zeros(2, len(shifts), 4, 9)
    delta[:, shifts.index(shift)] = 1
    assert torch.equal(select(image, delta, shifts, backend=backend), shifted_by_hand(image, shift))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_positive_shift_moves_content_to_the_right(backend):
    row = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]).view(1, 1, 1, 5)
    moved = select(row, torch.ones(1, 1, 1, 5), [2.0], backend=backend)
    assert moved.flatten().tolist() == [0, 0, 0, 1, 0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_mixture_is_the_sum_of_its_shifts_and_missing_mass_shows_nothing(backend):
    image, probabilities = random_inputs()
    probabilities = 0.5 * probabilities
    expected = sum(
        probabilities[:, i : i + 1] * shifted_by_hand(image, shift) for i, shift in enumerate((-3, -1, 0, 2, 4))
    )
    torch.testing.assert_close(select(image, probabilities, [-3, -1, 0, 2, 4], backend=backend), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fractional_shift_of_a_ramp_is_a_difference_of_heights(backend):
    ramp = torch.arange(20.0).expand(1, 1, 2, 20)
    moved = select(ramp, torch.ones(1, 1, 2, 20), [1.25], backend=backend)
    torch.testing.assert_close(moved[..., 2:], ramp[..., 2:] - 1.25)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (4, 2)])
def test_smaller_probabilities_are_interpolated_bilinearly(backend, size):
    image, _ = random_inputs(7, 12)
    small = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    large = functional.interpolate(small, (7, 12), mode="bilinear")
    expected = select(image, large, [-1, 0.5, 2], backend="reference")
    torch.testing.assert_close(select(image, small, [-1, 0.5, 2], backend=backend), expected)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("shifts", [[-3.0, -1.0, 0.0, 2.0, 4.0], [-40.5, -0.75, 0.25, 2.5, 100.0]])
def test_values_and_gradients_equal_the_reference(backend, shifts):
    width = amount(backend, 200, 20)
    image, probabilities = random_inputs(3, width)
    upstream = torch.randn(image.shape, generator=torch.Generator().manual_seed(2))
    results = []
    for way in ("reference", backend):
        leaves = [tensor.clone().requires_grad_() for tensor in (image, probabilities)]
        selected = select(*leaves, shifts, backend=way)
        results.append((selected.detach(), *torch.autograd.grad(selected, leaves, upstream)))
    for expected, actual in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_gradients_to_smaller_probabilities_equal_the_reference(backend):
    image, _ = random_inputs(6, 10)
    small = torch.rand(2, 2, 3, 4, generator=torch.Generator().manual_seed(3))
    gradients = []
    for way in ("reference", backend):
        leaf = small.clone().requires_grad_()
        select(image, leaf, [-1, 2], backend=way).square().sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_gradients_equal_finite_differences(backend):
    image, probabilities = random_inputs(2, 5, 3, torch.float64)
    inputs = (image.requires_grad_(), probabilities.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: select(a, b, [-2.0, 0.5, 1.0], backend=backend), inputs)


@pytest.mark.parametrize(
    ("shapes", "shifts", "message"),
    [
        (((1, 3, 4), (1, 2, 4, 4)), [0, 1], "of one b"),
        (((1, 3, 4, 4), (2, 2, 4, 4)), [0, 1], "of one b"),
        (((1, 3, 4, 4), (1, 2, 4, 4)), [0], "as many shifts, not 1"),
        (((1, 3, 4, 4), (1, 2, 4, 4)), [0, float("nan")], "not finite"),
        (((1, 3, 4, 0), (1, 2, 4, 4)), [0, 1], "empty"),
    ],
)
def test_wrong_inputs_are_refused_in_words(shapes, shifts, message):
    with pytest.raises(ValueError, match=message):
        select(*(torch.zeros(shape) for shape in shapes), shifts)
