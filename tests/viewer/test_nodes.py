import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from maquette.export.writers import to_gltf_axes
from maquette.geometry.splat_cloud import SplatCloud
from maquette.viewer.cameras import rotation_matrix
from maquette.viewer.nodes import FROM_GLTF, covariances


def test_the_rotation_from_gltfs_axes_undoes_the_exporters():
    points = np.random.default_rng(0).normal(size=(5, 3))
    assert to_gltf_axes(points) @ rotation_matrix(np.array(FROM_GLTF)).T == pytest.approx(points)


def test_covariances_have_the_squared_scales_along_the_axes():
    random = np.random.default_rng(1)
    turn, scales = Rotation.random(3, random_state=2), random.random((3, 3))
    quaternions = np.roll(turn.as_quat(), 1, axis=-1)
    cloud = SplatCloud(np.zeros((3, 3)), quaternions, scales, np.ones(3), np.zeros((3, 1, 3)))
    for matrix, axes, scale in zip(covariances(cloud), turn.as_matrix(), scales, strict=True):
        assert axes.T @ matrix @ axes == pytest.approx(np.diag(scale**2))
