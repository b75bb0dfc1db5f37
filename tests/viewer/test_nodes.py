import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from maquette.cameras.base import orbit_cameras
from maquette.data.base import Reference
from maquette.export.writers import to_gltf_axes
from maquette.geometry.splat_cloud import SplatCloud
from maquette.images.picture import Picture
from maquette.viewer.cameras import rotation_matrix
from maquette.viewer.nodes import FROM_GLTF, add_references, clear_cameras, covariances, show_cameras
from maquette.viewer.server import start_server, stop_server
from viewer_client import ViewerClient, wait_until

pytest.importorskip("viser")


def test_the_rotation_from_gltfs_axes_undoes_the_exporters():
    points = np.random.default_rng(0).normal(size=(5, 3))
    assert to_gltf_axes(points) @ rotation_matrix(np.array(FROM_GLTF)).T == pytest.approx(points)


def test_frustums_of_cameras_and_of_a_reference_with_its_picture_come_and_go():
    server = start_server(port=18650)
    client = ViewerClient(server.get_port())
    cameras = orbit_cameras(torch.tensor([0.0, 90.0]), torch.zeros(2), torch.full((2,), 3.0), torch.full((2,), 40.0), 8)
    show_cameras(server, cameras, True)
    add_references(server, [Reference(Picture.opaque(torch.rand(1, 8, 8, 3)), cameras[:1])], True)
    wait_until(lambda: "/references/0" in client.texts())
    frustums = {m["name"]: m for m in client.messages if m["type"] == "CameraFrustumMessage"}
    assert sorted(frustums) == ["/cameras/0", "/cameras/1", "/references/0"]
    assert frustums["/cameras/0"]["props"]["_image_data"] is None and frustums["/references/0"]["props"]["_image_data"]
    clear_cameras(server)
    wait_until(lambda: "RemoveSceneNodeMessage" in client.texts())
    client.close()
    stop_server(server)


def test_covariances_have_the_squared_scales_along_the_axes():
    random = np.random.default_rng(1)
    turn, scales = Rotation.random(3, random_state=2), random.random((3, 3))
    quaternions = np.roll(turn.as_quat(), 1, axis=-1)
    cloud = SplatCloud(np.zeros((3, 3)), quaternions, scales, np.ones(3), np.zeros((3, 1, 3)))
    for matrix, axes, scale in zip(covariances(cloud), turn.as_matrix(), scales, strict=True):
        assert axes.T @ matrix @ axes == pytest.approx(np.diag(scale**2))
