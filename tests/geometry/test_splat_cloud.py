"""Gaussians as splat files store them."""

import numpy as np

from maquette.geometry.splat_cloud import SplatCloud
from maquette.kernels.splatting import HARMONIC_0


def test_the_base_colour_is_the_mean_over_all_directions_cut_to_what_can_be_shown():
    harmonics = np.zeros((2, 4, 3))
    harmonics[0, 0] = (np.array([0.2, 0.5, 0.9]) - 0.5) / HARMONIC_0
    harmonics[0, 1:] = 7.0  # their means over all directions are 0
    harmonics[1, 0] = 100.0, -100.0, 0.0
    cloud = SplatCloud(np.zeros((2, 3)), np.tile([1.0, 0, 0, 0], (2, 1)), np.ones((2, 3)), np.ones(2), harmonics)
    assert len(cloud) == 2
    np.testing.assert_allclose(cloud.base_color, [[0.2, 0.5, 0.9], [1.0, 0.0, 0.5]])
