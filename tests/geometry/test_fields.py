"""Fields: blobs, normals, levels, gradients."""

import pytest
import torch

from maquette.config.schedules import Schedule
from maquette.geometry.density import activate, blob
from maquette.geometry.hash_grid import HashGrid
from maquette.geometry.voxel_grid import VoxelGrid
from maquette.randomness import Draws, Moment

SMALL = {"levels": 4, "log2_table_size": 10, "base_resolution": 4, "finest_resolution": 32}


def hash_grid(**config) -> HashGrid:
    torch.manual_seed(0)
    return HashGrid(HashGrid.Config(**{**SMALL, **config}))


@pytest.mark.parametrize("kind", ["dreamfusion", "magic3d"])
def test_an_initial_blob_is_densest_in_the_middle(kind):
    density = hash_grid(blob=kind).density(torch.tensor([[0.0, 0, 0], [0.4, 0, 0], [0.9, 0, 0]]))
    assert density[0] > density[1] > density[2]


def test_magic3d_blob_is_zero_at_its_radius():
    assert blob(torch.tensor([[0.5, 0, 0]]), "magic3d", 10.0, 0.5)[0] == 0


@pytest.mark.parametrize("normals", ["analytic", "finite-difference"])
@pytest.mark.parametrize("cls", [HashGrid, VoxelGrid])
def test_normals_point_out_of_the_blob(cls, normals):
    config = {"blob": "magic3d", "blob_strength": 10.0, "blob_radius": 0.5, "normals": normals}
    field = hash_grid(**config) if cls is HashGrid else VoxelGrid(VoxelGrid.Config(**config))
    points = torch.nn.functional.normalize(torch.randn(50, 3), dim=-1) * 0.4
    normal = field.query(points, normals=True).normal
    assert (normal * torch.nn.functional.normalize(points, dim=-1)).sum(-1).min() > 0.95


def test_hash_grid_normals_may_be_an_output_of_the_network():
    normal = hash_grid(normals="predicted").query(torch.rand(5, 3), normals=True).normal
    torch.testing.assert_close(normal.norm(dim=-1), torch.ones(5))


def test_analytic_normals_train_the_table():
    field = hash_grid(normals="analytic")
    field.query(torch.rand(20, 3) * 0.5, normals=True).normal[:, 0].sum().backward()
    assert field.table.grad.abs().sum() > 0


def test_hash_field_gives_inactive_levels_no_gradient():
    field = hash_grid(active_levels=Schedule.parse([[0, 1], [10, 4]]))
    field.prepare(Moment(0, 10, Draws(0, 0)))
    field.density(torch.rand(50, 3)).sum().backward()
    first = field.spec.offsets[1]
    assert field.table.grad[:first].abs().sum() > 0 and field.table.grad[first:].abs().sum() == 0


def test_an_exponential_density_cannot_overflow():
    assert torch.isfinite(activate(torch.tensor([1e4]), "exp")).all()


def test_voxel_grid_of_one_value_has_no_total_variation():
    grid = VoxelGrid(VoxelGrid.Config(resolution=8))
    assert grid.total_variation() == 0
    torch.nn.init.normal_(grid.grid)
    assert grid.total_variation() > 0
