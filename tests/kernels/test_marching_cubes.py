"""Surfaces are closed, face outward, lie where they should, have two triangles at each edge and exact gradients."""

import math

import pytest
import torch
import trimesh

from maquette.kernels.marching_cubes import marching_cubes
from maquette.kernels.marching_cubes.cases import case_table

BACKENDS = ("reference", "numba")
backends = pytest.mark.parametrize("backend", BACKENDS)


def grid(points: int) -> torch.Tensor:
    """Positions [n, n, n, 3] in the cube [-1, 1]^3."""
    axis = torch.linspace(-1, 1, points)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)


def surface(distances: torch.Tensor, backend: str) -> trimesh.Trimesh:
    cell = 2 / (len(distances) - 1)
    vertices, triangles = marching_cubes(distances, (-1, -1, -1), cell, backend=backend)
    return trimesh.Trimesh(vertices.numpy(), triangles.numpy(), process=False)


def closed_noise(seed: int, points: int) -> torch.Tensor:
    """Independent random values, positive at the grid's border: all cases beside each other."""
    values = torch.ones((points,) * 3)
    inner = (points - 2,) * 3
    values[1:-1, 1:-1, 1:-1] = torch.randn(inner, generator=torch.Generator().manual_seed(seed))
    return values


@backends
def test_a_sphere_is_closed_outward_and_where_it_should_be(backend):
    mesh = surface(grid(25).norm(dim=-1) - 0.6, backend)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.euler_number == 2
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.02)  # positive: normals point outwards
    radii = torch.from_numpy(mesh.vertices).norm(dim=-1)
    assert float((radii - 0.6).abs().max()) < 0.003


@backends
def test_a_torus_keeps_its_hole(backend):
    x, y, z = grid(25).unbind(-1)
    mesh = surface(((x.square() + y.square()).sqrt() - 0.6).square().add(z.square()).sqrt() - 0.2, backend)
    assert mesh.is_watertight and mesh.euler_number == 0


@backends
@pytest.mark.parametrize("seed", range(4))
def test_noise_has_two_triangles_at_each_edge_and_one_winding(backend, seed):
    mesh = surface(closed_noise(seed, 12), backend)
    _, count = torch.from_numpy(mesh.edges_sorted.copy()).unique(dim=0, return_counts=True)
    assert (count == 2).all() and mesh.is_winding_consistent and mesh.is_watertight


@backends
def test_inside_corners_on_a_diagonal_of_a_face_stay_apart(backend):
    distances = torch.ones(4, 4, 4)
    distances[1, 1, 1] = distances[2, 2, 1] = -1
    assert surface(distances, backend).body_count == 2


@backends
def test_gradients_are_those_of_finite_differences(backend):
    distances = closed_noise(0, 5).double().requires_grad_()

    def vertices(s: torch.Tensor) -> torch.Tensor:
        return marching_cubes(s, (0.1, 0.2, 0.3), 0.5, backend=backend)[0]

    assert torch.autograd.gradcheck(vertices, (distances,), eps=1e-7, atol=1e-5)


@backends
def test_a_grid_of_unequal_sides_has_its_low_corner_and_cell(backend):
    x = torch.arange(3.0)[:, None, None].expand(3, 4, 6)
    vertices, triangles = marching_cubes(x - 0.75, (1.0, 2.0, 3.0), 0.5, backend=backend)
    assert torch.allclose(vertices[:, 0], torch.tensor(1.375)) and len(triangles) == 2 * 3 * 5
    assert vertices[:, 1:].amin(0).tolist() == [2, 3] and vertices[:, 1:].amax(0).tolist() == [3.5, 5.5]


@pytest.mark.parametrize("seed", range(2))
def test_numba_gives_the_reference_bit_for_bit(seed):
    distances = closed_noise(seed, 9)[:, :8, :7]
    results = []
    for backend in BACKENDS:
        leaf = distances.clone().requires_grad_()
        vertices, triangles = marching_cubes(leaf, (0, 0, 0), 0.1, backend=backend)
        vertices.square().sum().backward()
        results.append((vertices, triangles, leaf.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@backends
@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_all_inside_or_all_outside_is_empty(value, backend):
    vertices, triangles = marching_cubes(torch.full((3, 3, 3), value), backend=backend)
    assert vertices.shape == (0, 3) and triangles.shape == (0, 3)


def test_cases_of_opposite_corners_differ_only_by_winding_where_no_face_is_ambiguous():
    table = case_table()
    one_corner, seven_corners = table[1], table[254]
    assert sorted(one_corner[0].tolist()) == sorted(seven_corners[0].tolist())
    assert (table[:, :, 0] >= 0).sum(1).max() == 5 and (table[0] < 0).all() and (table[255] < 0).all()


def test_a_grid_with_one_point_along_a_side_is_refused():
    with pytest.raises(ValueError, match="two points or more along each side"):
        marching_cubes(torch.zeros(1, 3, 3))
