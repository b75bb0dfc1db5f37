"""Clouds of Gaussians: how they start, grow, are thinned, and survive a checkpoint."""

import pytest
import torch

from maquette.geometry.base import ChangedRows, GaussianCloud
from maquette.geometry.gaussians import Gaussians, neighbour_distance
from maquette.training.optimisers import reindex_moments


def test_neighbours_on_a_grid_are_one_spacing_away():
    axis = torch.arange(5) * 0.25
    grid = torch.cartesian_prod(axis, axis, axis)
    assert neighbour_distance(grid).tolist() == pytest.approx([0.25] * 125)


def test_moments_follow_their_rows_and_fresh_rows_start_at_zero():
    parameter = torch.nn.Parameter(torch.arange(3.0)[:, None].repeat(1, 2))
    optimiser = torch.optim.AdamW([parameter], lr=0.0)
    parameter.grad = parameter.detach() + 1
    optimiser.step()
    rows = torch.tensor([2, 0, -1, 2])
    parameter.data = parameter.data[rows.clamp(min=0)]
    reindex_moments(optimiser, ChangedRows([parameter], rows))
    assert optimiser.state[parameter]["exp_avg"][:, 0].tolist() == pytest.approx([0.3, 0.1, 0.0, 0.3])
    parameter.grad = torch.ones(4, 2)
    optimiser.step()  # fits


def test_a_cloud_of_another_size_loads():
    torch.manual_seed(0)
    small, large = (Gaussians(Gaussians.Config(count=n, degree=1)) for n in (7, 12))
    small.load_state_dict(large.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(small.state_dict().values(), large.state_dict().values(), strict=True))


def test_a_cloud_can_start_from_a_file_of_points(tmp_path):
    import trimesh

    path = tmp_path / "points.ply"
    trimesh.PointCloud([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]], colors=[[255, 0, 0, 255]] * 4).export(path)
    cloud = Gaussians(Gaussians.Config(points=str(path))).splats()
    assert len(cloud) == 4 and cloud.means[1].tolist() == [0.5, 0, 0]
    assert torch.sigmoid(cloud.harmonics[0, 0] * 0.28209479).tolist() == pytest.approx([0.99, 0.01, 0.01], abs=1e-3)


def test_points_that_are_not_there_are_an_error():
    with pytest.raises(ValueError, match=r"points: there is no file nowhere\.ply"):
        Gaussians.Config(points="nowhere.ply")


def test_replacing_keeps_what_fits():
    torch.manual_seed(0)
    geometry = Gaussians(Gaussians.Config(count=4, degree=1))
    n = 3
    cloud = GaussianCloud(
        torch.rand(n, 3), torch.rand(n, 4), torch.rand(n, 3), torch.full((n,), 0.5), torch.rand(n, 1, 3)
    )  # fmt: skip
    geometry.replace(cloud)
    made = geometry.splats()
    torch.testing.assert_close(made.scales, cloud.scales)
    assert made.harmonics.shape == (3, 4, 3) and not made.harmonics[:, 1:].any()
