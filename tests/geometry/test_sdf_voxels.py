"""A grid of distances keeps its shape through smoothing, refinement, floors and checkpoints."""

import math

import pytest
import torch

from maquette.errors import ConfigError
from maquette.geometry.sdf_voxels import Grid, SDFVoxels, gaussian_blur, high_pass, thin_parts
from maquette.meshes.mesh import Mesh
from maquette.meshes.topology import is_watertight
from maquette.randomness import Moment


def ball(radius: float, points: int = 33, bound: float = 1.0) -> Grid:
    axis = torch.linspace(-bound, bound, points)
    distances = torch.cartesian_prod(axis, axis, axis).norm(dim=-1) - radius
    return Grid(distances.reshape((points,) * 3), (-bound,) * 3, 2 * bound / (points - 1))


def voxels(start: Grid | None = None, floor: Grid | None = None, **config) -> SDFVoxels:
    geometry = SDFVoxels(SDFVoxels.Config(**{"levels": (24, 32), **config}))
    if start is not None:
        geometry.replace(start, floor)
    return geometry


def mesh(geometry: SDFVoxels) -> Mesh:
    surface = geometry.mesh()
    return Mesh(surface.vertices.detach().numpy(), surface.triangles.numpy())


def radii(geometry: SDFVoxels) -> torch.Tensor:
    return geometry.mesh().vertices.detach().norm(dim=-1)


def test_it_starts_as_a_closed_sphere_that_faces_outward():
    body = mesh(voxels(radius=0.4))
    assert is_watertight(body) and body.volume == pytest.approx(4 / 3 * math.pi * 0.4**3, rel=0.05)


def test_a_shape_is_taken_over_on_a_grid_around_it():
    geometry = voxels(ball(0.3))
    assert float((radii(geometry) - 0.3).abs().max()) < 0.01
    grid = geometry.grid()
    assert max(grid.values.shape) == 25 and 0.3 < -grid.low[0] < 0.5  # 24 cells over the box and its margin


def test_a_shape_outside_the_bound_is_refused():
    with pytest.raises(ConfigError, match="nothing within the bound"):
        voxels(Grid(torch.ones(4, 4, 4), (0.0,) * 3, 0.1))


def test_a_step_smooths_noise_and_does_not_shrink_the_ball():
    start = ball(0.4)
    noise = 0.02 * torch.randn(start.values.shape, generator=torch.Generator().manual_seed(0))
    rough = voxels(Grid(start.values + noise, start.low, start.cell), levels=(24,))
    before = radii(rough)
    for step in range(40):
        rough.after_step(Moment.at(step, 100, 0))
    after = radii(rough)
    assert float(after.std()) < 0.6 * float(before.std()) and float(after.mean()) == pytest.approx(0.4, abs=0.01)


def test_distances_are_true_again_after_the_steps_that_renew_them():
    geometry = voxels(ball(0.4), levels=(24,), smoothing=0.0, redistance_every=2)
    exact = geometry.distances.detach().clone()
    geometry.distances.data *= 3
    geometry.after_step(Moment.at(0, 10, 0))
    assert float((geometry.distances.detach() - 3 * exact).abs().max()) < 1  # not yet
    geometry.after_step(Moment.at(1, 10, 0))
    near = exact.abs() < 1
    torch.testing.assert_close(geometry.distances.detach()[near], exact[near], atol=0.15, rtol=0)


def test_nothing_grows_through_the_floor():
    geometry = voxels(ball(0.3), ball(0.4), smoothing=0.0)
    geometry.distances.data -= 20
    geometry.after_step(Moment.at(0, 10, 0))
    assert float((radii(geometry) - 0.4).abs().max()) < 0.01 and is_watertight(mesh(geometry))


def test_halfway_the_grid_is_refined_and_the_optimiser_is_told():
    geometry = voxels(ball(0.4))
    assert geometry.after_step(Moment.at(3, 10, 0)) == []
    (change,) = geometry.after_step(Moment.at(4, 10, 0))
    assert change.parameters == [geometry.distances] and len(change.rows) == len(geometry.distances)
    assert (change.rows == -1).all() and max(geometry.grid().values.shape) == 33
    assert float((radii(geometry) - 0.4).abs().max()) < 0.01


def test_the_gradient_is_blurred_and_keeps_its_sum():
    gradients = []
    for blur in (0.0, 1.2):
        geometry = voxels(ball(0.4))
        geometry._blur = blur
        geometry.mesh().vertices[::7].norm(dim=-1).sum().backward()
        gradients.append(geometry.distances.grad)
    sharp, blurred = gradients
    assert float(blurred.sum()) == pytest.approx(float(sharp.sum()), rel=0.01)
    assert float(blurred.abs().max()) < 0.5 * float(sharp.abs().max())


def test_a_stored_grid_of_another_size_is_restored_with_its_floor():
    geometry = voxels(ball(0.4), ball(0.45))
    geometry.after_step(Moment.at(4, 10, 0))
    other = voxels()
    other.load_state_dict(geometry.state_dict())
    for one in (geometry, other):
        one.distances.data -= 20
        one.after_step(Moment.at(5, 10, 0))
    assert torch.equal(other.distances, geometry.distances)


def test_levels_that_do_not_grow_are_refused():
    with pytest.raises(ValueError, match="levels grow"):
        SDFVoxels.Config(levels=(48, 48))


def test_high_pass_of_a_slope_is_zero_and_of_a_point_one():
    slope = torch.arange(5.0)[:, None, None].expand(5, 5, 5)
    assert float(high_pass(slope)[1:-1].abs().max()) < 1e-6
    point = torch.zeros(5, 5, 5)
    point[2, 2, 2] = 1
    assert float(high_pass(point)[2, 2, 2]) == 1 and float(high_pass(point)[1, 2, 2]) == pytest.approx(-1 / 6)


def test_a_blurred_point_has_the_variance_of_its_gaussian():
    point = torch.zeros(21, 5, 5)
    point[10, 2, 2] = 1
    line = gaussian_blur(point, 1.2).sum((1, 2))
    place = torch.arange(21.0) - 10
    assert float((line * place.square()).sum() / line.sum()) == pytest.approx(1.44, rel=0.02)


def test_a_rod_is_thin_and_a_ball_is_not():
    inside = ball(0.5, 25).values < 0
    inside[:, 12, 12] = True
    thin = thin_parts(inside)
    assert thin[0, 12, 12] and not thin[12, 12, 12] and not thin[12, 12, 14]


def test_features_are_grey():
    geometry = voxels()
    assert torch.sigmoid(geometry.features(torch.zeros(2, 3))).tolist() == [[0.5] * 3] * 2


def test_a_resume_with_fewer_steps_refines_the_grid_that_is_still_coarse():
    """Five of twelve steps, and then the last of six."""
    geometry = voxels(ball(0.4))
    for step in range(5):
        assert geometry.after_step(Moment.at(step, 12, 0)) == []
    assert len(geometry.after_step(Moment.at(5, 6, 0))) == 1 and max(geometry.grid().values.shape) == 33


def test_a_grid_is_refined_once():
    geometry = voxels(ball(0.4))
    assert [step for step in range(10) if geometry.after_step(Moment.at(step, 10, 0))] == [4]
