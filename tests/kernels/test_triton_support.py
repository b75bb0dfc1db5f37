"""What the triton backends share, and what is theirs alone: memory layouts, gradients asked for one by one."""

from __future__ import annotations

import pytest
import torch
from interpreted import needs_triton

from maquette.kernels.compositing import accumulate
from maquette.kernels.hash_grid import HashGridSpec, hash_grid

pytestmark = needs_triton

SPEC = HashGridSpec(levels=2, log2_table_size=8, base_resolution=2, finest_resolution=9)


def table_and_points() -> tuple[torch.Tensor, torch.Tensor]:
    keyed = torch.Generator().manual_seed(0)
    return torch.rand(SPEC.rows, SPEC.features_per_level, generator=keyed), torch.rand(3, 20, generator=keyed).T


def test_blocks_have_sides_of_powers_of_two():
    from maquette.kernels.triton_support import power_of_two

    assert [power_of_two(count) for count in (0, 1, 2, 3, 4, 5, 16, 17)] == [1, 1, 2, 4, 4, 8, 16, 32]


def test_a_machine_without_a_gpu_has_no_problem_with_it():
    from maquette.kernels.triton_support import problem

    assert torch.cuda.is_available() or problem() == ""


def test_what_triton_itself_raises_is_a_problem_and_no_end(monkeypatch):
    from triton.runtime.errors import OutOfResources

    from maquette.kernels import triton_support

    def fail(*_: object, **__: object) -> None:
        raise OutOfResources(300_000, 232_448, "shared memory")

    ones = torch.ones(16)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", lambda *_, **__: ones)
    monkeypatch.setattr(triton_support, "launch", fail)
    assert "triton cannot compile a kernel (out of resource" in triton_support.problem.__wrapped__()


def test_tensors_that_are_not_contiguous_are_read_as_they_are():
    table, points = table_and_points()
    assert not points.is_contiguous()
    leaves = [table.requires_grad_(), points.requires_grad_()]
    gradients = []
    for backend in ("triton", "reference"):
        encoded = hash_grid(points, table, SPEC, backend=backend)
        gradients.append((encoded, *torch.autograd.grad(encoded[:, ::2].square().sum(), leaves)))
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_only_the_gradient_that_is_asked_for_is_computed():
    table, points = table_and_points()
    table.requires_grad_()
    encoded = hash_grid(points, table, SPEC, backend="triton")
    encoded.sum().backward()
    assert table.grad.sum().item() == pytest.approx(20 * SPEC.channels, rel=1e-5)  # each point's weights sum to 1


def test_more_channels_than_a_program_takes_equal_the_reference():
    keyed = torch.Generator().manual_seed(0)
    weights, values = torch.rand(90, generator=keyed), torch.rand(90, 21, generator=keyed)
    ray_index = torch.arange(90) // 80  # a ray of more samples than a block
    results = []
    for backend in ("triton", "reference"):
        leaves = [weights.clone().requires_grad_(), values.clone().requires_grad_()]
        sums = accumulate(*leaves, ray_index, 3, backend=backend)
        results.append((sums, *torch.autograd.grad(sums.square().sum(), leaves)))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
