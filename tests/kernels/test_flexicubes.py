"""Patches are closed loops; surfaces are closed, manifold, oriented and near the truth; each weight does as it says."""

import numpy as np
import pytest
import torch
import trimesh
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from maquette.kernels.flexicubes import DualSurface, cube_grid, flexicubes
from maquette.kernels.flexicubes.cases import case_tables, strands, trace
from maquette.kernels.flexicubes.grid import CORNERS, EDGES, FACES

SPLITS = ("with_midpoints", "with_diagonals")


def as_trimesh(surface, split="with_diagonals") -> trimesh.Trimesh:
    vertices, triangles = getattr(surface, split)()
    return trimesh.Trimesh(vertices.detach().numpy(), triangles.numpy(), process=False)


def rings(mesh) -> int:
    """Closed rings of triangles around vertices; a vertex where the surface touches itself has two."""
    turned = np.concatenate([np.roll(mesh.faces, -k, axis=1) for k in range(3)])
    nodes = [turned[:, 0] * len(mesh.vertices) + turned[:, side] for side in (1, 2)]  # (vertex, neighbour)
    known, index = np.unique(np.concatenate(nodes), return_inverse=True)
    first, second = index.reshape(2, -1)
    joined = coo_matrix((np.ones(len(first)), (first, second)), shape=(len(known), len(known)))
    return connected_components(joined, directed=False)[0]


# --- cases -----------------------------------------------------------------------------------------------------------


def test_edges_and_faces_are_those_of_a_cube():
    steps = CORNERS[EDGES[:, 1]] - CORNERS[EDGES[:, 0]]
    assert torch.equal(steps, torch.eye(3, dtype=torch.long).repeat_interleave(4, dim=0))
    assert len({frozenset(face) for face in FACES.tolist()}) == 6
    for face in FACES:
        assert (CORNERS[face] - CORNERS[face.roll(1)]).abs().sum(-1).tolist() == [1, 1, 1, 1]
    for face, opposite in zip(FACES[0::2].tolist(), FACES[1::2].tolist(), strict=True):
        assert not set(face) & set(opposite)


@pytest.mark.parametrize("rule", [0, 1])
def test_the_loops_of_all_cases_are_closed_and_use_each_cut_edge_once(rule):
    faces_of = [{f for f in range(6) if set(ends) <= set(FACES[f].tolist())} for ends in EDGES.tolist()]
    for case in range(256):
        loops = trace(case, rule)
        cut = {e for e, (a, b) in enumerate(EDGES.tolist()) if (case >> a & 1) != (case >> b & 1)}
        used = [edge for loop in loops for edge in loop]
        assert sorted(used) == sorted(cut)
        for loop in loops:
            pairs = zip(loop, loop[1:] + loop[:1], strict=True)
            assert len(loop) >= 3 and all(faces_of[first] & faces_of[second] for first, second in pairs)


def test_the_pinched_cases_are_c16_and_c19_and_rule_1_parts_them():
    tables = case_tables()
    pinched = (tables.pinched >= 0).nonzero()[:, 0].tolist()
    inside = sorted(bin(case).count("1") for case in pinched)
    assert inside == [5] * 24 + [6] * 12
    for case in pinched:
        ambiguous = [face for face in range(6) if len(strands(case, face, 0)) == 2]
        assert ambiguous == [int(tables.pinched[case])]
        first, second = strands(case, ambiguous[0], 1)
        assert tables.loops[1, case, first[0]] != tables.loops[1, case, second[0]]


# --- topology --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("split", SPLITS)
def test_a_sphere_is_closed_oriented_and_within_a_fifth_of_a_cell(split, dtype):
    grid = cube_grid(16)
    positions = grid.positions.to(dtype)
    surface = flexicubes(positions, positions.norm(dim=-1) - 0.6, grid)
    mesh = as_trimesh(surface, split)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.euler_number == 2
    assert mesh.volume == pytest.approx(4 / 3 * 3.14159 * 0.6**3, rel=0.06)  # positive: normals point outwards
    assert surface.vertices.dtype == dtype
    assert float((surface.vertices.norm(dim=-1) - 0.6).abs().max()) < 0.2 * 2 / 16


@pytest.mark.parametrize("split", SPLITS)
def test_a_torus_keeps_its_hole(split):
    grid = cube_grid(20)
    x, y, z = grid.positions.unbind(-1)
    distances = ((x.square() + y.square()).sqrt() - 0.6).square().add(z.square()).sqrt() - 0.2
    mesh = as_trimesh(flexicubes(grid.positions, distances, grid), split)
    assert mesh.is_watertight and mesh.euler_number == 0 and rings(mesh) == len(mesh.vertices)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_random_signs_give_closed_manifolds(share, split):
    torch.manual_seed(0)
    grid = cube_grid(12)
    distances = torch.rand(len(grid.positions)) - share
    distances[(grid.positions.abs() == 1).any(-1)] = 1.0
    mesh = as_trimesh(flexicubes(grid.positions, distances, grid), split)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
    assert rings(mesh) == len(mesh.vertices)


@pytest.mark.parametrize("pocket", [1.0, -1.0])
def test_pockets_that_meet_across_a_face_become_two_closed_surfaces(pocket):
    # the cubes on both sides of the face have one patch around both pockets: C19 beside C19 where they are outside
    grid = cube_grid(5)
    distances = torch.full((6, 6, 6), -pocket)
    distances[2, 2, 2] = distances[2, 3, 3] = pocket
    surface = flexicubes(grid.positions, distances.flatten(), grid)
    mesh = as_trimesh(surface)
    assert mesh.is_watertight and mesh.body_count == 2 and mesh.euler_number == 4
    assert len(surface.vertices) == 16 and len(surface.quads) == 12


def test_a_surface_that_leaves_the_grid_is_open_there_and_nowhere_else():
    grid = cube_grid(6)
    surface = flexicubes(grid.positions, grid.positions[:, 0] + 0.1, grid)
    mesh = as_trimesh(surface)
    open_edges = mesh.edges_sorted[trimesh.grouping.group_rows(mesh.edges_sorted, require_count=1)]
    rim = np.abs(mesh.vertices[open_edges][..., 1:]).max(-1)
    assert len(open_edges) == 4 * 5 and (rim > 1 - 2 / 6).all()
    assert torch.equal(surface.quads.unique(), torch.arange(len(surface.vertices)))  # no vertex is left over
    torch.testing.assert_close(surface.vertices[:, 0], torch.full((36,), -0.1))
    assert (mesh.face_normals[:, 0] > 0.99).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_no_surface_is_an_empty_mesh_with_zero_gradients(sign):
    grid = cube_grid(3)
    arguments = weights(grid)
    positions, distances = grid.positions.clone().requires_grad_(), torch.full((64,), sign, requires_grad=True)
    surface = flexicubes(positions, distances, grid, **arguments)
    (found, triangles), (finished, halves) = surface.with_midpoints(), surface.with_diagonals()
    assert found.shape == finished.shape == triangles.shape == halves.shape == (0, 3)
    (found.sum() + surface.deviation.sum()).backward()
    for value in (positions, distances, *arguments.values()):
        assert torch.equal(value.grad, torch.zeros_like(value))


# --- weights ---------------------------------------------------------------------------------------------------------


def weights(grid, dtype=torch.float32):
    shapes = {"alpha": (grid.cubes, 8), "beta": (grid.cubes, 12), "gamma": (grid.cubes,)}
    return {name: torch.ones(shape, dtype=dtype).requires_grad_() for name, shape in shapes.items()}


def octant(**weights):
    """The dual vertex where x, y, z > 0, and its deviation, when only the centre of 2 x 2 x 2 cubes is inside."""
    grid = cube_grid(2)
    distances = torch.ones(27)
    distances[13] = -1.0
    surface = flexicubes(grid.positions, distances, grid, **weights)
    assert len(surface.vertices) == 8 and len(surface.quads) == 6
    return surface.vertices[7].tolist(), float(surface.deviation[7])


def test_without_weights_a_vertex_is_the_mean_of_its_crossings_equally_far_from_all():
    vertex, deviation = octant()  # crossings at 1/2 on each axis
    assert vertex == pytest.approx([1 / 6] * 3)
    assert deviation == pytest.approx(0.0, abs=1e-7)


def test_alpha_moves_the_crossings_away_from_its_corner():
    alpha = torch.ones(8, 8)
    alpha[7, 0] = 3.0  # the centre, as the last cube sees it: crossings at 3 / (3 + 1)
    vertex, _ = octant(alpha=alpha)
    assert vertex == pytest.approx([0.75 / 3] * 3)
    assert octant(alpha=2 * torch.ones(8, 8)) == octant()


def test_beta_pulls_the_vertex_and_the_deviation_notices():
    beta = torch.ones(8, 12)
    beta[7, 0] = 2.0  # the edge along x from the centre
    vertex, deviation = octant(beta=beta)
    assert vertex == pytest.approx([1 / 4, 1 / 8, 1 / 8])
    far = [(6 / 64) ** 0.5, (14 / 64) ** 0.5, (14 / 64) ** 0.5]  # from (1/2, 0, 0), (0, 1/2, 0), (0, 0, 1/2)
    mean = sum(far) / 3
    assert deviation == pytest.approx(sum(abs(d - mean) for d in far) / 3, rel=1e-5)


def test_alpha_cannot_hide_an_unevenness():
    beta, alpha = torch.ones(8, 12), torch.ones(8, 8)
    alpha[7, [1, 2, 4]] = torch.tensor([2.0, 0.5, 1.0])
    vertex, deviation = octant(alpha=alpha, beta=beta)
    crossings = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]) / 2  # not those that made the vertex
    far = (crossings - torch.tensor(vertex)).norm(dim=-1)
    assert deviation == pytest.approx(float((far - far.mean()).abs().mean()), rel=1e-5)


def test_gamma_chooses_the_diagonal_and_weighs_the_midpoint():
    corners = torch.tensor([[0.0, 0, 1], [1, 0, 0], [1, 1, 1], [0, 1, 0]])
    for gamma, kept, height in (([3.0, 1, 1, 1], {0, 2}, 0.75), ([1.0, 1, 1, 3], {1, 3}, 0.25)):
        surface = DualSurface(corners, torch.tensor([[0, 1, 2, 3]]), torch.tensor(gamma), torch.zeros(4))
        _, triangles = surface.with_diagonals()
        assert set(triangles[0].tolist()) & set(triangles[1].tolist()) == kept
        vertices, fans = surface.with_midpoints()
        torch.testing.assert_close(vertices[4], torch.tensor([0.5, 0.5, height]))
        assert fans.tolist() == [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]


# --- gradients and refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_gradients_are_those_of_the_formulas(seed):
    torch.manual_seed(seed)
    grid = cube_grid(2)
    positions = (grid.positions + 0.1 * torch.randn_like(grid.positions)).double().requires_grad_()
    size = 0.2 + torch.rand(27, dtype=torch.float64)
    distances = torch.where(torch.rand(27) < 0.5, size, -size).requires_grad_()
    given = [(0.5 + torch.rand_like(weight)).requires_grad_() for weight in weights(grid, torch.float64).values()]

    def outputs(positions, distances, alpha, beta, gamma):
        surface = flexicubes(positions, distances, grid, alpha=alpha, beta=beta, gamma=gamma)
        return surface.with_midpoints()[0], surface.deviation

    assert len(outputs(positions, distances, *given)[0]) > 8
    assert torch.autograd.gradcheck(outputs, (positions, distances, *given), eps=1e-7, atol=1e-5)


def test_distances_of_exactly_zero_count_as_outside_and_stay_finite():
    grid = cube_grid(4)
    distances = (grid.positions.abs().amax(-1) - 0.5).requires_grad_()  # zero all over the box of half side 1/2
    surface = flexicubes(grid.positions, distances, grid)
    (surface.vertices.square().sum() + surface.deviation.sum()).backward()
    assert as_trimesh(surface).is_watertight and torch.isfinite(distances.grad).all()
    assert float(surface.vertices.detach().abs().max()) <= 0.5


def test_wrong_input_is_refused_in_words():
    grid = cube_grid(2)
    with pytest.raises(ValueError, match=r"27 corners and 8 cubes needs positions \[27, 3\], not \[5, 3\]"):
        flexicubes(grid.positions[:5], torch.zeros(5), grid)
    with pytest.raises(ValueError, match=r"needs beta \[8, 12\]"):
        flexicubes(grid.positions, torch.zeros(27), grid, beta=torch.ones(12))
    with pytest.raises(ValueError, match=r"positions are torch.float32 and distances torch.float64"):
        flexicubes(grid.positions, torch.zeros(27).double(), grid)
    with pytest.raises(ValueError, match="resolution is at least 1"):
        cube_grid(0)
