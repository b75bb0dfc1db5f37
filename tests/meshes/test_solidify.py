"""One body remains: crumbs go, cavities fill, pieces are joined by tubes across the shortest gap."""

import numpy as np
import torch
from scipy.ndimage import label

from maquette.kernels.marching_cubes import marching_cubes
from maquette.meshes.mesh import Mesh
from maquette.meshes.solidify import solidify
from maquette.meshes.topology import count_components, is_watertight


def ball(center, radius, size=32):
    points = np.stack(np.mgrid[:size, :size, :size], axis=-1)
    return np.linalg.norm(points - np.array(center), axis=-1) - radius


def test_two_balls_are_joined_where_they_are_nearest():
    apart = np.minimum(ball((9, 16, 16), 6), ball((23, 16, 16), 5))
    joined = solidify(apart)
    assert label(joined < 0)[1] == 1
    changed = np.argwhere((joined < 0) & (apart >= 0))
    assert np.abs(changed[:, 1:] - 16).max() <= 3 and changed[:, 0].min() >= 14 and changed[:, 0].max() <= 19
    vertices, triangles = marching_cubes(torch.from_numpy(joined))
    mesh = Mesh(vertices.numpy(), triangles.numpy())
    assert is_watertight(mesh) and count_components(mesh) == 1


def test_crumbs_are_dropped_and_the_largest_piece_is_kept():
    crumb = ball((28, 28, 28), 0.7)
    np.testing.assert_array_equal(solidify(np.minimum(ball((12, 12, 12), 8), crumb)) < 0, ball((12, 12, 12), 8) < 0)
    assert (solidify(crumb) < 0).any()


def test_cavities_are_filled():
    shell = np.maximum(ball((16, 16, 16), 10), -ball((16, 16, 16), 5))
    np.testing.assert_array_equal(solidify(shell) < 0, ball((16, 16, 16), 10) < 0)


def test_nothing_inside_stays_nothing():
    np.testing.assert_array_equal(solidify(np.ones((4, 4, 4))), np.ones((4, 4, 4)))
