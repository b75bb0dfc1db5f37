"""Values between the vertices of a dense grid are linear, and normals are those of the density."""

import torch

from maquette.geometry.voxel_grid import VoxelGrid

POINTS = torch.tensor([[0.1, -0.4, 0.7], [-1.0, 1.0, 0.0], [0.33, 0.33, -0.9]])


def linear_grid(**config) -> VoxelGrid:
    """Raw density x + 2 y + 3 z, and features x, y, z."""
    geometry = VoxelGrid(VoxelGrid.Config(resolution=5, shift=0.0, **config))
    axis = torch.linspace(-1, 1, 5)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    geometry.grid.data.copy_(torch.stack([x + 2 * y + 3 * z, x, y, z])[None])
    return geometry


def test_values_between_vertices_are_linear():
    sample = linear_grid().query(POINTS)
    torch.testing.assert_close(sample.features, POINTS)
    torch.testing.assert_close(sample.density, torch.nn.functional.softplus(POINTS @ torch.tensor([1.0, 2, 3])))


def test_the_cube_is_as_large_as_its_bound():
    torch.testing.assert_close(linear_grid(bound=2.0).query(2 * POINTS).features, POINTS)


def test_values_outside_are_those_of_the_border():
    outside = torch.tensor([[3.0, 0.5, -7.0]])
    torch.testing.assert_close(linear_grid().query(outside).features, torch.tensor([[1.0, 0.5, -1.0]]))


def test_analytic_normals_point_down_the_density():
    normal = linear_grid(normals="analytic").query(POINTS[:1], normals=True).normal
    torch.testing.assert_close(normal[0], torch.tensor([-1.0, -2, -3]) / 14**0.5)
