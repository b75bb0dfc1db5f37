"""Simplex noise: its range and continuity, its seeds, and numba beside the reference."""

import math

import numpy as np
import pytest
import torch

from maquette.kernels.simplex_noise import simplex_noise
from maquette.kernels.simplex_noise.lattice import UNSKEW, lattice_hash

BACKENDS = ["reference", "numba"]


def random_points(n: int = 2000, far: float = 50.0) -> torch.Tensor:
    return (torch.rand(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5) * far


@pytest.mark.parametrize("octaves", [1, 6])
@pytest.mark.parametrize("far", [50.0, 1e7])
def test_numba_equals_the_reference(octaves, far):
    points = random_points(far=far)
    values = [simplex_noise(points, 7, octaves=octaves, backend=backend) for backend in BACKENDS]
    torch.testing.assert_close(*values, rtol=0, atol=1e-12 if far < 1e3 else 1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
def test_values_fill_a_good_part_of_their_range_and_never_leave_it(backend):
    values = simplex_noise(random_points(20_000), 1, backend=backend)
    assert values.abs().max() <= 1 and values.max() > 0.7 and values.min() < -0.7 and abs(values.mean()) < 0.05


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_noise_is_zero_on_lattice_points(backend):
    lattice = torch.cartesian_prod(torch.arange(-3.0, 4), torch.arange(-3.0, 4)).double()
    corners = lattice - lattice.sum(dim=-1, keepdim=True) * UNSKEW
    assert simplex_noise(corners, 5, backend=backend).abs().max() < 1e-9


def test_the_noise_has_no_jumps():
    points = random_points()
    step = torch.tensor([1e-6, 1e-6], dtype=torch.float64)
    assert (simplex_noise(points + step, 2) - simplex_noise(points, 2)).abs().max() < 1e-4


def test_another_seed_is_another_function_and_the_same_seed_the_same():
    points = random_points()
    assert torch.equal(simplex_noise(points, 3), simplex_noise(points, 3))
    pair = torch.stack([simplex_noise(points, 3), simplex_noise(points, 4)])
    assert abs(torch.corrcoef(pair)[0, 1]) < 0.1


def test_lattice_hash_is_the_same_for_arrays_and_tensors_and_spreads_evenly():
    i, j = np.meshgrid(np.arange(-100, 100), np.arange(-100, 100), indexing="ij")
    hashed = lattice_hash(i, j, 11, 2)
    assert np.array_equal(hashed, lattice_hash(torch.from_numpy(i), torch.from_numpy(j), 11, 2).numpy())
    counts = np.bincount((hashed >> 27).ravel(), minlength=32)
    assert abs(counts - 1250).max() < 6 * math.sqrt(1250)


@pytest.mark.parametrize(
    ("points", "octaves", "message"),
    [(torch.zeros(3, 3), 1, r"points are float64 \[n, 2\]"), (torch.zeros(3, 2).double(), 0, "octaves is 0")],
)
def test_wrong_inputs_are_named(points, octaves, message):
    with pytest.raises(ValueError, match=message):
        simplex_noise(points, 0, octaves=octaves)
