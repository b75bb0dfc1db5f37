"""The grid fills the cube; its surfaces are closed, oriented, close to the truth, and move with the distances."""

import pytest
import torch
import trimesh

from maquette.kernels.tetrahedra import grid_positions, marching_tetrahedra, tetrahedral_grid


def volumes(grid):
    a, b, c, d = grid.positions[grid.tetrahedra].unbind(1)
    return (torch.linalg.cross(b - a, c - a) * (d - a)).sum(-1) / 6


@pytest.mark.parametrize("resolution", [1, 2, 5])
def test_the_grid_fills_the_cube_without_overlap(resolution):
    grid = tetrahedral_grid(resolution)
    assert (volumes(grid) > 0).all()
    assert float(volumes(grid).sum()) == pytest.approx(8.0, rel=1e-5)
    faces = grid.tetrahedra[:, [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]].sort(-1).values.reshape(-1, 3)
    unique, count = faces.unique(dim=0, return_counts=True)
    alone = grid.positions[unique[count == 1]]
    assert count.max() == 2  # every face has at most two sides
    assert (alone.abs() == 1).all(1).any(-1).all()  # and where it has one, it lies on the cube's boundary
    assert torch.equal(grid.edges[grid.edges_of[:, 3]], grid.tetrahedra[:, [1, 2]].sort(-1).values)


def test_the_positions_alone_are_those_of_the_grid():
    assert torch.equal(grid_positions(3), tetrahedral_grid(3).positions)


def sphere(grid, radius=0.6, dtype=torch.float32):
    positions = grid.positions.to(dtype)
    return positions, positions.norm(dim=-1) - radius


def test_a_sphere_is_closed_oriented_and_where_it_should_be():
    grid = tetrahedral_grid(24)
    vertices, triangles = marching_tetrahedra(*sphere(grid), grid)
    mesh = trimesh.Trimesh(vertices.numpy(), triangles.numpy(), process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.euler_number == 2
    assert mesh.volume == pytest.approx(4 / 3 * 3.14159 * 0.6**3, rel=0.01)  # positive: normals point outwards
    assert float((vertices.norm(dim=-1) - 0.6).abs().max()) < 0.003


def test_a_torus_keeps_its_hole():
    grid = tetrahedral_grid(24)
    x, y, z = grid.positions.unbind(-1)
    distances = ((x.square() + y.square()).sqrt() - 0.6).square().add(z.square()).sqrt() - 0.2
    vertices, triangles = marching_tetrahedra(grid.positions, distances, grid)
    mesh = trimesh.Trimesh(vertices.numpy(), triangles.numpy(), process=False)
    assert mesh.is_watertight and mesh.euler_number == 0


def test_gradients_are_those_of_the_formula():
    grid = tetrahedral_grid(2)
    torch.manual_seed(0)
    positions = (grid.positions + 0.05 * torch.randn_like(grid.positions)).double().requires_grad_()
    distances = torch.randn(len(positions), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p, s: marching_tetrahedra(p, s, grid)[0], (positions, distances), eps=1e-7, atol=1e-5
    )


def test_lowering_all_distances_grows_the_surface():
    grid = tetrahedral_grid(16)
    positions, distances = sphere(grid)
    distances.requires_grad_()
    vertices, _ = marching_tetrahedra(positions, distances, grid)
    vertices.norm(dim=-1).mean().backward()
    assert float(distances.grad.sum()) == pytest.approx(-1.0, rel=0.02)


def test_nothing_inside_is_an_empty_surface_and_random_signs_stay_finite():
    grid = tetrahedral_grid(4)
    vertices, triangles = marching_tetrahedra(grid.positions, torch.ones(len(grid.positions)), grid)
    assert vertices.shape == (0, 3) and triangles.shape == (0, 3)
    torch.manual_seed(1)
    wild = torch.randn(len(grid.positions)).requires_grad_()
    vertices, triangles = marching_tetrahedra(grid.positions, wild, grid)
    vertices.square().sum().backward()
    assert torch.isfinite(vertices).all() and torch.isfinite(wild.grad).all() and len(triangles)


def test_wrong_input_is_refused_in_words():
    grid = tetrahedral_grid(2)
    with pytest.raises(ValueError, match=r"needs positions \[35, 3\]"):
        marching_tetrahedra(grid.positions[:5], torch.zeros(5), grid)
    with pytest.raises(ValueError, match="resolution is at least 1"):
        tetrahedral_grid(0)


@pytest.mark.parametrize("seed", range(3))
def test_numba_gives_the_reference_bit_for_bit(seed):
    grid = tetrahedral_grid(7)
    generator = torch.Generator().manual_seed(seed)
    distances = torch.randn(len(grid.positions), generator=generator)
    expected, found = (marching_tetrahedra(grid.positions, distances, grid, backend=b) for b in ("reference", "numba"))
    assert torch.equal(expected[0], found[0]) and torch.equal(expected[1], found[1])


@pytest.mark.parametrize("value", [-1.0, 1.0])
@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_all_inside_or_all_outside_is_empty(value, backend):
    grid = tetrahedral_grid(3)
    distances = torch.full((len(grid.positions),), value, requires_grad=True)
    vertices, triangles = marching_tetrahedra(grid.positions, distances, grid, backend=backend)
    assert vertices.shape == (0, 3) and triangles.shape == (0, 3)
