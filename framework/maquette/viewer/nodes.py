"""Things that the browser itself draws: finished meshes and splats, cameras, reference pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maquette.cameras.base import Cameras
from maquette.data.base import Reference
from maquette.geometry.splat_cloud import SplatCloud
from maquette.images.pixels import to_bytes
from maquette.viewer.cameras import browser_pose, rotation_matrix

if TYPE_CHECKING:
    from viser import ViserServer

FROM_GLTF = (0.5, 0.5, 0.5, 0.5)  # rotation of glTF's axes (y up, front along +z) to the world's (z up, front along +x)
MOST_CAMERAS = 16  # frustums of sampled cameras, at most
FRUSTUM_SCALE = 0.25  # length of a frustum, scene units
SAMPLED, REFERENCE = (60, 110, 210), (215, 120, 45)  # colours of frustums
MESH, SPLATS = "export/mesh.glb", "export/splats.ply"  # of a run folder


def add_exports(server: ViserServer, run: Path) -> list[str]:
    """Add the mesh and the splats that a run has exported, as nodes of the page; returns what was added."""
    from maquette.geometry.splat_reading import inspect_splats

    added = []
    if (run / MESH).is_file():
        server.scene.add_glb("/object/mesh", (run / MESH).read_bytes(), wxyz=FROM_GLTF)
        added.append("mesh")
    if (run / SPLATS).is_file():
        cloud = inspect_splats(run / SPLATS).value
        server.scene.add_gaussian_splats(
            "/object/splats", cloud.means, covariances(cloud), cloud.base_color, cloud.opacities[:, None],
            visible=not added,
        )  # fmt: skip
        added.append("splats")
    return added


def covariances(cloud: SplatCloud) -> np.ndarray:
    """Covariance matrices [n, 3, 3] of Gaussians, scene units squared: R diag(s^2) R^T."""
    axes = rotation_matrix(cloud.quaternions) * cloud.scales[:, None, :]
    return np.einsum("nij,nkj->nik", axes, axes)


def show_cameras(server: ViserServer, cameras: Cameras, visible: bool) -> None:
    """Replace the frustums of the cameras that the latest step sampled."""
    for i in range(min(len(cameras), MOST_CAMERAS)):
        _add_frustum(server, f"/cameras/{i}", cameras[i : i + 1], SAMPLED, None, visible)


def add_references(server: ViserServer, references: Sequence[Reference], visible: bool) -> None:
    """Add the frustums of posed reference pictures, with the pictures in them."""
    for i, reference in enumerate(references):
        picture = to_bytes(reference.picture.over(1.0)[0].cpu().numpy())
        _add_frustum(server, f"/references/{i}", reference.cameras[:1], REFERENCE, picture, visible)


def clear_cameras(server: ViserServer) -> None:
    """Remove all frustums, before another stage adds its own."""
    for name in ("/cameras", "/references"):
        server.scene.remove_by_name(name)


def _add_frustum(
    server: ViserServer, name: str, camera: Cameras, color: tuple[int, int, int], picture: np.ndarray | None,
    visible: bool,
) -> None:  # fmt: skip
    wxyz, position = browser_pose(camera.c2w[0])
    server.scene.add_camera_frustum(
        name, math.radians(float(camera.fov_y_deg[0])), camera.width / camera.height, scale=FRUSTUM_SCALE, color=color,
        image=picture, wxyz=wxyz, position=position, visible=visible,
    )  # fmt: skip
