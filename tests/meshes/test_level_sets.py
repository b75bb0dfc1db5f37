"""Distances to a level set are exact for planes, close for spheres, and leave the level set where it is."""

import numpy as np
import pytest

from maquette.meshes.level_sets import signed_distances


def positions(points: int, dimensions: int) -> np.ndarray:
    return np.stack(np.meshgrid(*[np.arange(points, dtype=float)] * dimensions, indexing="ij"))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_distances_to_a_plane_are_exact_beside_it_whatever_the_slope(dimensions):
    normal = np.array([0.36, 0.48, 0.8])[:dimensions]
    normal /= np.linalg.norm(normal)
    distance = np.tensordot(normal, positions(12, dimensions), 1) - 7.3
    result = signed_distances(5 * distance)
    near = (np.abs(distance) < 0.3)[(slice(1, -1),) * dimensions]
    result, distance = (array[(slice(1, -1),) * dimensions] for array in (result, distance))
    np.testing.assert_allclose(result[near], distance[near], atol=1e-4)
    assert (np.sign(result) == np.sign(distance)).all()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_distances_to_a_sphere_are_off_by_less_than_a_cell_and_by_little_beside_it(dimensions):
    distance = np.linalg.norm(positions(25, dimensions) - 12.2, axis=0) - 7.6
    result = signed_distances(np.tanh(distance / 3))
    error = np.abs(result - distance)
    assert error.max() < 1 and error[np.abs(distance) < 0.5].max() < 0.1


def test_a_sheet_of_one_point_stays_where_it_is():
    values = np.abs(positions(9, 3)[0] - 4) - 0.4
    result = signed_distances(values)
    np.testing.assert_allclose(result[3:6], values[3:6], atol=1e-5)


def test_without_a_change_of_sign_all_points_are_far():
    assert signed_distances(np.ones((3, 4))).tolist() == [[7.0] * 4] * 3
    assert signed_distances(-np.ones((2, 2))).tolist() == [[-4.0] * 2] * 2


def test_a_value_of_zero_is_outside_and_on_the_surface():
    assert signed_distances(np.array([0.0, -1.0])).tolist() == [0.0, -1.0]
