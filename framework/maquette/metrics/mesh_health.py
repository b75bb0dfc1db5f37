"""A metric of the health of a scene's mesh."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from maquette.annotations import Samples
from maquette.meshes.health import mean_dihedral_deg, mesh_health, roughness
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.geometry import measured_surface
from maquette.registry import register


@register("metric", "mesh-health")
class MeshHealthMetric(Metric):
    """Whether the scene's mesh is watertight, in how many pieces, its open and non-manifold edges, and its roughness.

    "dihedral_deg" is the mean angle between neighbouring faces at 5,000 faces; "roughness" is that over the true
    mesh's, for cases whose truth has a surface. "watertight" and "outward" are 0 or 1 for a scene.
    """

    @dataclass(frozen=True)
    class Config:
        resolution: Samples = 128  # samples along each side of the cube, to extract the surface of a field

    def __init__(self, config: Config) -> None:
        self.config = config

    def directions(self) -> dict[str, Direction]:
        return {
            "watertight": "higher", "outward": "higher", "components": "lower", "open_edges": "lower",
            "non_manifold_edges": "lower", "dihedral_deg": "lower", "roughness": "lower",
        }  # fmt: skip

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Extract and measure; see `Metric`."""
        try:
            mesh = measured_surface(subject, self.config.resolution)
        except EmptySurface as problem:
            return Measurement({"watertight": 0.0, "outward": 0.0}, {"problem": str(problem)})
        truth = case.build_truth() if case.truth else None
        surface = truth.surface() if truth is not None and "surface" in truth.gives else None
        return Measurement(health_values(mesh, surface), {"faces": len(mesh.faces)})


def health_values(mesh: Mesh, truth: Mesh | None) -> dict[str, float]:
    """The figures of a mesh with faces by name; the roughness only beside a true mesh."""
    values = {name: float(value) for name, value in asdict(mesh_health(mesh)).items()}
    values["dihedral_deg"] = mean_dihedral_deg(mesh)
    return values if truth is None else values | {"roughness": roughness(mesh, truth)}
