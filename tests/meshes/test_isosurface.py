import numpy as np
import pytest
import torch
from analytic import TORUS_VOLUME, distance, torus_distance

from maquette.errors import RunError
from maquette.meshes.isosurface import extract_surface


def ball(points, radius=0.6):
    return 50.0 * (points.norm(dim=-1) < radius)


def test_torus_is_closed_outward_and_has_its_volume():
    mesh = extract_surface(lambda points: 40 * torch.sigmoid(-torus_distance(points) / 0.01), 1.0, 64, threshold=20.0)
    assert mesh.to_trimesh().is_watertight
    assert mesh.volume == pytest.approx(TORUS_VOLUME, rel=0.005)


def test_vertices_lie_on_the_surface_even_of_a_step(surface):
    step = extract_surface(lambda points: 1000.0 * (distance(points) < 0), 1.0, 64, threshold=10.0)
    voxel = 2 / 63
    for mesh in (surface, step):
        assert distance(torch.from_numpy(mesh.vertices)).abs().quantile(0.95) < 0.05 * voxel + 0.006


def test_body_that_leaves_the_cube_is_closed_at_its_border():
    mesh = extract_surface(lambda points: 50.0 * (points[:, 0] > 0.25), 1.0, 33)
    assert mesh.to_trimesh().is_watertight
    np.testing.assert_allclose(mesh.bounds, [[0.25, -1, -1], [1, 1, 1]], atol=1e-3)
    assert mesh.volume == pytest.approx(3.0, rel=0.01)


@pytest.mark.parametrize(
    "density",
    [
        lambda p: ball(p) / 5,
        lambda p: ball(p) * 20,
        lambda p: ball(p) + 0.3,  # fog everywhere
        lambda p: ball(p) + 1e5 * (p.norm(dim=-1) < 0.4),  # unseen inside without bound
        lambda p: ball(p) * (1 + 5 * (p[:, 2] > 0)) / 3,  # halves of unequal density
        lambda p: ball(p) * (p.norm(dim=-1) > 0.45),  # hollow
        lambda p: 60 * torch.sigmoid((0.6 - p.norm(dim=-1)) / 0.01),
    ],
)
def test_automatic_threshold_finds_the_ball(density):
    mesh = extract_surface(density, 1.0, 48)
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(0.6, abs=0.025)


def test_chunks_do_not_change_the_surface():
    whole, parts = extract_surface(ball, 1.0, 24), extract_surface(ball, 1.0, 24, chunk=1000)
    np.testing.assert_array_equal(whole.vertices, parts.vertices)


def test_empty_surface_says_largest_density_threshold_and_remedy():
    message = r"largest density on the 16\^3 grid is 0\.5.*threshold 10.*threshold=0\.25.*auto"
    with pytest.raises(RunError, match=message):
        extract_surface(lambda points: torch.full((len(points),), 0.5), 1.0, 16, threshold=10.0)
    with pytest.raises(RunError, match="the surface is empty: the largest density"):
        extract_surface(lambda points: torch.zeros(len(points)), 1.0, 16)


def test_densities_that_are_not_finite_are_reported():
    with pytest.raises(RunError, match="not finite"):
        extract_surface(lambda points: points[:, 0] * float("nan"), 1.0, 16)


def test_wrong_shape_of_densities_is_reported():
    with pytest.raises(ValueError, match="one density per point"):
        extract_surface(lambda points: points, 1.0, 16)


def test_a_hollow_behind_a_pinhole_counts_as_solid_and_one_behind_an_opening_does_not():
    def shell(opening):
        def density(points):
            radius, beside = points.norm(dim=-1), points[:, :2].norm(dim=-1)
            hole = (beside < opening) & (points[:, 2] > 0)
            return 50.0 * ((radius < 0.6) & (radius > 0.5) & ~hole)

        return extract_surface(density, 1.0, 64, gap=0.08).volume

    ball, wall = 4 / 3 * np.pi * 0.6**3, 4 / 3 * np.pi * (0.6**3 - 0.5**3)
    assert shell(0.05) == pytest.approx(ball, rel=0.02)
    assert shell(0.2) == pytest.approx(wall, rel=0.06)
