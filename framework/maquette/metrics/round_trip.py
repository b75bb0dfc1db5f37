"""A metric of what the exported file keeps of a scene."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from maquette.export.exporters.mesh import MeshExporter
from maquette.export.meshed import MeshSettings
from maquette.meshes.mesh import EmptySurface
from maquette.meshes.placement import Placement
from maquette.meshes.reading import inspect_mesh
from maquette.metrics._ring import Ring
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.pictures import compare_pictures
from maquette.metrics.subjects import mesh_scene
from maquette.registry import register


@register("metric", "round-trip")
class RoundTrip(Metric):
    """PSNR and silhouette IoU between renderings of the scene and of its exported mesh.glb, read back from the file.

    What is lost on the way is in both: the extraction of the surface, decimation, the baked texture, and the file's
    axes and encoding. A scene without a surface has an IoU of 0, and no PSNR.

    Source: the protocol of docs/metrics.md.
    """

    @dataclass(frozen=True)
    class Config(MeshSettings, Ring):
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def directions(self) -> dict[str, Direction]:
        return {"psnr": "higher", "silhouette_iou": "higher"}

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Export, read, render both; see `Metric`."""
        config = self.config
        settings = {field.name: getattr(config, field.name) for field in fields(MeshSettings)}
        with TemporaryDirectory() as folder:
            try:
                file = MeshExporter(MeshExporter.Config(**settings, formats=("glb",)))(subject, Path(folder))[0]
            except EmptySurface as problem:
                return Measurement({"silhouette_iou": 0.0}, {"problem": str(problem)})
            bytes_written = file.stat().st_size
            mesh = inspect_mesh(file, Placement(fit="none")).value
        before, after = (
            each.render_cameras(config.cameras(), normals=False).picture for each in (subject, mesh_scene(mesh))
        )
        rows = compare_pictures(after, before)
        values = {name: float(np.mean([row.get(name, 0.0) for row in rows])) for name in self.directions()}
        return Measurement(values, {"bytes": bytes_written, "faces": len(mesh.faces)})
