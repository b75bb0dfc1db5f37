import numpy as np
import pytest
import torch

from maquette.cameras.base import orbit_cameras
from maquette.meshes.isosurface import sample_grid
from maquette.meshes.silhouettes import largest_along_rays, silhouette_threshold

AXIS = torch.linspace(-1, 1, 65)


def rays():
    one = torch.ones(4)
    cameras = orbit_cameras(90.0 * torch.arange(4), 20 * one, 3.2 * one, 35 * one, 48)
    return tuple(part.flatten(0, 2) for part in cameras.rays())


def opacity(density, origins, directions):
    """1 - exp(-optical depth), integrated in 400 steps."""
    depths = torch.linspace(1.5, 5.0, 400)
    points = origins[:, None] + depths[None, :, None] * directions[:, None]
    values = density(points.reshape(-1, 3)).reshape(len(origins), -1)
    return 1 - torch.exp(-values.sum(1) * float(depths[1] - depths[0]))


def chosen(density, typical):
    origins, directions = rays()
    opaque = opacity(density, origins, directions) > 0.5
    grid = sample_grid(density, AXIS, 2**18)
    return silhouette_threshold(grid, 1.0, origins, directions, opaque, typical), opaque


def test_largest_density_along_a_ray_is_that_of_the_closest_point_to_a_peak():
    origins, directions = rays()
    grid = sample_grid(lambda p: torch.exp(-4 * p.square().sum(-1)), AXIS, 2**18)
    closest = torch.linalg.cross(origins, directions).square().sum(-1)
    inside = closest < 0.8
    expected = torch.exp(-4 * closest)
    assert largest_along_rays(grid, 1.0, origins, directions)[inside] == pytest.approx(expected[inside], abs=0.005)


def test_a_blurred_ball_is_cut_where_its_pictures_are_half_opaque():
    def blurred(points):
        return 8 * torch.sigmoid((0.5 - points.norm(dim=-1)) / 0.08)

    threshold, opaque = chosen(blurred, typical=0.05)
    radius = 0.5 - 0.08 * np.log(threshold / (8 - threshold))
    origins, directions = rays()
    closest = torch.linalg.cross(origins, directions).norm(dim=-1)
    assert radius == pytest.approx(float(closest[opaque].max()), abs=0.03)


def test_a_thin_part_that_pictures_show_is_kept_beside_a_dense_one():
    def lopsided(points):
        dense = (points - torch.tensor([0.0, 0.0, -0.4])).norm(dim=-1) < 0.3
        thin = (points - torch.tensor([0.0, 0.0, 0.4])).norm(dim=-1) < 0.3
        return 100.0 * dense + 3.0 * thin

    threshold, _ = chosen(lopsided, typical=50.0)
    assert 0 < threshold < 3


def test_fog_that_pictures_look_through_is_cut_off():
    def foggy(points):
        return torch.where(points.norm(dim=-1) < 0.4, 30.0, 0.1)

    threshold, _ = chosen(foggy, typical=0.05)
    assert 0.1 < threshold < 30


def test_the_typical_threshold_stays_where_silhouettes_do_not_tell():
    assert chosen(lambda p: 50.0 * (p.norm(dim=-1) < 0.5), typical=25.0)[0] == 25.0


def test_a_ball_too_thin_to_be_seen_has_the_typical_threshold():
    assert chosen(lambda p: 0.3 * (p.norm(dim=-1) < 0.5), typical=0.15)[0] == 0.15
