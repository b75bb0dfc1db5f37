"""What is measured of a result by a suite's protocol: its scene, or a file, brought to the place of the true object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from maquette.bench.suites import Protocol
from maquette.data.formats import load_posed_images
from maquette.errors import ConfigError
from maquette.export.exporters.mesh import MeshExporter
from maquette.files import display_path
from maquette.geometry.splat_reading import holds_splats
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Placement
from maquette.meshes.reading import FORMATS, inspect_mesh
from maquette.metrics.base import Case, MeasuredSubject
from maquette.metrics.geometry import compare_meshes
from maquette.metrics.subjects import ViewsSubject, mesh_scene, splat_scene
from maquette.scene import Scene

MESH_FILE = "mesh.glb"  # the prediction of a run whose export is measured
YAW_STEPS_DEG = (10.0, 2.0)  # of the search of an alignment: all around, and about the best
YAW_SAMPLES = 2_000  # points on each surface in that search


def export_prediction(scene: Scene, protocol: Protocol, folder: Path) -> Path:
    """Write the mesh of a scene that is measured, `mesh.glb`.

    Raises:
        EmptySurface: there is none.
    """
    return MeshExporter(MeshExporter.Config(**asdict(protocol.mesh), formats=("glb",)))(scene, folder)[0]


def read_subject(path: Path, protocol: Protocol, case: Case, ours: bool = False) -> MeasuredSubject:
    """A file or folder as what is measured: a mesh, Gaussians, or a folder of posed pictures.

    Args:
        path: `.glb`, `.obj` ...; `.splat` or `.ply` of Gaussians; or a folder of posed pictures.
        protocol: which axes it has, and how it is aligned. Gaussians and pictures are taken as they are.
        case: of which the truth is aligned to.
        ours: written by our exporter, whose axes are known.

    Raises:
        ConfigError: it cannot be read, or is to be aligned to a truth without a surface.
    """
    if path.is_dir():
        return ViewsSubject(load_posed_images(path))
    if holds_splats(path):
        return splat_scene(path)
    if path.suffix.lower().lstrip(".") not in FORMATS:
        raise ConfigError(
            f"this is neither a mesh nor Gaussians: {display_path(path)}", key="subject",
            hint=f"give .splat, .ply, or one of {', '.join(f'.{name}' for name in FORMATS)}",
        )  # fmt: skip
    placement = Placement(fit="none") if ours else Placement(protocol.up, protocol.front, fit="none")
    mesh = inspect_mesh(path, placement, key="subject").value
    return mesh_scene(align(mesh, protocol, case))


def align(mesh: Mesh, protocol: Protocol, case: Case) -> Mesh:
    """A mesh in the place of the true surface, as the protocol says.

    "box" gives its bounding box the middle and the longest side of the true one's; "box-yaw" turns it about the
    vertical before, to the least Chamfer distance.
    """
    if protocol.align == "none":
        return mesh
    truth = case.build_truth().surface()
    if protocol.align == "box":
        return _boxed(mesh, truth, 0.0)
    angles: Sequence[float] = np.arange(0.0, 360.0, YAW_STEPS_DEG[0]).tolist()
    for finer in (YAW_STEPS_DEG[1], None):
        best = min(angles, key=lambda angle: compare_meshes(_boxed(mesh, truth, angle), truth, YAW_SAMPLES).chamfer)
        if finer:
            angles = (best + np.arange(-YAW_STEPS_DEG[0], YAW_STEPS_DEG[0] + finer / 2, finer)).tolist()
    return _boxed(mesh, truth, best)


def _boxed(mesh: Mesh, truth: Mesh, yaw_deg: float) -> Mesh:
    """The mesh turned about the vertical, with the middle and the longest side of the true bounding box."""
    angle = np.radians(yaw_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    vertices = mesh.vertices.astype(np.float64) @ turn.T
    low, high = vertices.min(0), vertices.max(0)
    scale = float(np.ptp(truth.bounds, axis=0).max()) / max(float((high - low).max()), 1e-12)
    placed = (vertices - (low + high) / 2) * scale + truth.bounds.mean(0)
    normals = None if mesh.normals is None else mesh.normals @ turn.T
    return replace(mesh, vertices=placed, normals=normals)
