"""Ray marching: what is kept, what tiles, and every backend bit for bit against the reference."""

from __future__ import annotations

import pytest
import torch
from interpreted import TRITON, amount

from maquette.kernels.compositing import accumulate, composite
from maquette.kernels.marching import march_rays, ray_box

FAST_BACKENDS = ["numba", TRITON]
BACKENDS = ["reference", *FAST_BACKENDS]
BOX = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
FULL = torch.ones(8, 8, 8, dtype=torch.bool)


def random_rays(backend: str, few: int = 140):
    """Rays from a sphere of radius 2 toward the middle; about a third miss the box. 140 are more than a program's."""
    rays = amount(backend, 500, few)
    keyed = torch.Generator().manual_seed(0)
    origins = torch.nn.functional.normalize(torch.randn(rays, 3, generator=keyed), dim=-1) * 2
    directions = torch.nn.functional.normalize(torch.randn(rays, 3, generator=keyed) - 1.2 * origins, dim=-1)
    return origins, directions, torch.rand(rays, generator=keyed)


def step(backend: str) -> float:
    return 0.16 if backend == "triton" else 0.037


def one_ray():
    origins, directions = torch.tensor([[-3.0, 0.1, 0.1]]), torch.tensor([[1.0, 0.0, 0.0]])
    return origins, directions, *ray_box(origins, directions, BOX)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("shape", [(16, 16, 16), (5, 9, 13)])
def test_samples_equal_the_reference(backend, shape):
    origins, directions, jitter = random_rays(backend)
    near, far = ray_box(origins, directions, BOX)
    occupancy = torch.rand(shape, generator=torch.Generator().manual_seed(1)) < 0.3
    arguments = (origins, directions, near, far, step(backend), occupancy, BOX, jitter)
    actual = march_rays(*arguments, backend=backend)
    expected = march_rays(*arguments, backend="reference")
    assert len(expected) > len(origins) and (far == near).any()
    for name in ("t_start", "t_end", "ray_start", "ray_index"):
        assert torch.equal(getattr(actual, name), getattr(expected, name)), name


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("u", [0.0, 0.3, 0.999])
def test_pieces_tile_the_ray_for_every_jitter(backend, u):
    origins, directions, near, far = one_ray()
    samples = march_rays(origins, directions, near, far, 0.3, FULL, BOX, torch.tensor([u]), backend=backend)
    assert samples.t_start[0] == near[0] and samples.t_end[-1] == far[0]
    assert torch.equal(samples.t_start[1:], samples.t_end[:-1])
    assert samples.deltas.max() <= 0.3 + 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_kept_middle_is_in_an_occupied_cell(backend):
    origins, directions, jitter = random_rays(backend)
    occupancy = torch.zeros(4, 4, 4, dtype=torch.bool)
    occupancy[1, 2, 3] = True
    near, far = ray_box(origins, directions, BOX)
    samples = march_rays(origins, directions, near, far, step(backend), occupancy, BOX, jitter, backend=backend)
    cells = ((samples.points(origins, directions) + 1) * 2).floor().long()
    assert len(samples) and torch.equal(cells.unique(dim=0), torch.tensor([[1, 2, 3]]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_ray_start_and_ray_index_agree(backend):
    origins, directions, jitter = random_rays(backend)
    near, far = ray_box(origins, directions, BOX)
    samples = march_rays(origins, directions, near, far, 0.2, FULL, BOX, jitter, backend=backend)
    counts = torch.bincount(samples.ray_index, minlength=samples.rays)
    assert torch.equal(samples.ray_start.diff(), counts) and samples.ray_start[-1] == len(samples)


@pytest.mark.parametrize("backend", BACKENDS)
def test_empty_occupancy_keeps_nothing(backend):
    samples = march_rays(*one_ray(), 0.1, ~FULL, BOX, backend=backend)
    assert len(samples) == 0 and torch.equal(samples.ray_start, torch.tensor([0, 0]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_rays_and_rays_that_miss_give_no_samples(backend):
    nothing = torch.zeros(0, 3)
    assert len(march_rays(nothing, nothing, nothing[:, 0], nothing[:, 0], 0.1, FULL, BOX, backend=backend)) == 0
    origins, directions = torch.tensor([[-3.0, 5.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    samples = march_rays(origins, directions, *ray_box(origins, directions, BOX), 0.1, FULL, BOX, backend=backend)
    assert len(samples) == 0 and samples.rays == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_homogeneous_box_has_the_opacity_of_its_chord(backend):
    origins, directions, jitter = random_rays(backend, few=30)
    near, far = ray_box(origins, directions, BOX)
    samples = march_rays(origins, directions, near, far, 0.17, FULL, BOX, jitter, backend=backend)
    weights, _ = composite(torch.full((len(samples),), 0.8), samples.deltas, samples.ray_start, backend=backend)
    opacity = accumulate(weights, None, samples.ray_index, samples.rays, backend=backend)[:, 0]
    torch.testing.assert_close(opacity, 1 - torch.exp(-0.8 * (far - near)), rtol=0, atol=1e-5)


def test_ray_box_handles_inside_behind_and_parallel_rays():
    origins = torch.tensor([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 1.5, 0.0], [-2.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    directions = torch.tensor([[0.0, 0.0, 2.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    near, far = ray_box(origins, directions, BOX)
    assert near.tolist() == [0.0, 0.0, 0.0, 1.0, 0.0]
    assert far.tolist() == [0.5, 0.0, 0.0, 3.0, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 0.0}, "positive length"),
        ({"step": 1e-9}, "steps of 1e-09 apart"),
        ({"far": torch.tensor([float("inf")])}, "must be finite"),
        ({"near": torch.zeros(2)}, r"near is \[1\], not \[2\]"),
        ({"occupancy": torch.ones(8, 8, 8)}, "occupancy is bool"),
        ({"aabb": BOX.double()}, "aabb is torch.float64"),
    ],
)
def test_wrong_inputs_are_named(change, message):
    names = ("origins", "directions", "near", "far")
    arguments = {**dict(zip(names, one_ray(), strict=True)), "step": 0.1, "occupancy": FULL, "aabb": BOX, **change}
    with pytest.raises(ValueError, match=message):
        march_rays(**arguments)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_samples_of_several_levels_equal_the_reference(backend):
    origins, directions, jitter = random_rays(backend)
    inner = BOX / 4
    near, far = ray_box(origins, directions, BOX)
    occupancy = torch.rand((3, 5, 6, 7), generator=torch.Generator().manual_seed(1)) < 0.3
    arguments = (origins, directions, near, far, step(backend), occupancy, inner, jitter)
    actual = march_rays(*arguments, backend=backend)
    expected = march_rays(*arguments, backend="reference")
    assert len(expected) > len(origins)
    for name in ("t_start", "t_end", "ray_start", "ray_index"):
        assert torch.equal(getattr(actual, name), getattr(expected, name)), name


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_point_counts_in_the_smallest_box_around_it(backend):
    origins, directions, near, far = one_ray()
    occupancy = torch.zeros(2, 4, 4, 4, dtype=torch.bool)
    occupancy[1] = True  # the outer level is full, but knows nothing of the inner half
    samples = march_rays(origins, directions, near, far, 0.025, occupancy, BOX / 2, backend=backend)
    x = samples.points(origins, directions)[:, 0]
    assert (x.abs() >= 0.5).all() and samples.deltas.sum().item() == pytest.approx(1.0, abs=0.03)
