"""Reads real mesh files and compares with other readers: `python benchmarks/real_meshes.py FOLDER`.

Of each file the number of triangles, the bounds and the area-weighted mean colour stand beside what trimesh reads, and
of glTF the number of triangles beside what the file's JSON says (pygltflib, which has to be installed). The folder
`models/` of trimesh's source repository is one to try. Prints what differs, and what only one of the readers reads.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from maquette.errors import ConfigError
from maquette.meshes.placement import Y_UP_FORMATS
from maquette.meshes.reading import FORMATS, inspect_mesh

CLOSE = 1e-4  # of the diagonal, for bounds
COLOR_CLOSE = 0.03  # of each channel of the mean colour


def ours(path: Path) -> dict[str, Any]:
    """What maquette reads of a file, or the line with which it refuses."""
    try:
        loaded = inspect_mesh(path)
    except ConfigError as problem:
        return {"refused": str(problem)}
    facts = {name: loaded.facts[name] for name in ("faces", "bounds", "mean_color")}
    return {**facts, "ignored": loaded.ignored, "warnings": loaded.warnings}


def by_trimesh(path: Path) -> dict[str, Any]:
    """The same by trimesh, turned to z up."""
    import trimesh

    try:
        bodies = trimesh.load_scene(path, process=False).dump()
    except Exception as problem:  # whatever a reader stumbles over
        return {"refused": f"{type(problem).__name__}: {problem}"}
    meshes = [body for body in bodies if isinstance(body, trimesh.Trimesh) and len(body.faces)]
    if not meshes:
        return {"refused": "no faces"}
    points = np.concatenate([mesh.vertices[np.unique(mesh.faces)] for mesh in meshes])
    if path.suffix.lower().lstrip(".") in Y_UP_FORMATS:
        points = points[:, [2, 0, 1]]
    bounds = [points.min(0).tolist(), points.max(0).tolist()]
    return {"faces": sum(len(mesh.faces) for mesh in meshes), "bounds": bounds, "mean_color": _mean_color(meshes)}


def by_pygltflib(path: Path) -> dict[str, Any]:
    """Triangles of the primitives of a glTF file, each counted for every node that shows it."""
    if path.suffix.lower() not in (".gltf", ".glb"):
        return {}
    from pygltflib import GLTF2

    try:
        document = GLTF2().load(str(path))
        uses = Counter(node.mesh for node in document.nodes if node.mesh is not None)
        return {"faces": sum(count * _triangles(document, mesh) for mesh, count in uses.items())}
    except Exception as problem:  # whatever a reader stumbles over
        return {"refused": f"{type(problem).__name__}: {problem}"}


def differences(mine: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    """What differs between two readings, in words."""
    if not other:
        return
    if "refused" in mine or "refused" in other:
        if ("refused" in mine) != ("refused" in other):
            yield f"only one reads it: {mine.get('refused') or other.get('refused')}"
        return
    if mine["faces"] != other["faces"]:
        yield f"{mine['faces']} faces, not {other['faces']}"
    if "bounds" in other:
        size = np.linalg.norm(np.ptp(np.array(other["bounds"]), axis=0))
        if np.abs(np.array(mine["bounds"]) - np.array(other["bounds"])).max() > CLOSE * size:
            yield f"bounds {np.round(mine['bounds'], 3).tolist()}, not {np.round(other['bounds'], 3).tolist()}"
    colors = mine["mean_color"], other.get("mean_color")
    if all(colors) and np.abs(np.subtract(*colors)).max() > COLOR_CLOSE:
        yield "mean colour {}, not {}".format(*(np.round(color, 2).tolist() for color in colors))


def _mean_color(meshes: list[Any]) -> list[float] | None:
    """Area-weighted mean of the colours at the corners of the faces, where each mesh has some."""
    total, weight = np.zeros(3), 0.0
    for mesh in meshes:
        visual = mesh.visual.to_color() if mesh.visual.kind == "texture" else mesh.visual
        if visual.kind not in ("vertex", "face") or len(visual.vertex_colors) != len(mesh.vertices):
            return None
        of_faces = visual.face_colors if visual.kind == "face" else visual.vertex_colors[mesh.faces].mean(1)
        total += (of_faces[:, :3] / 255 * mesh.area_faces[:, None]).sum(0)
        weight += float(mesh.area_faces.sum())
    return (total / weight).tolist() if weight else None


def _triangles(document: Any, mesh: int) -> int:
    count = 0
    for primitive in document.meshes[mesh].primitives:
        accessor = primitive.indices if primitive.indices is not None else primitive.attributes.POSITION
        corners = document.accessors[accessor].count
        count += {4: corners // 3, 5: max(corners - 2, 0), 6: max(corners - 2, 0)}.get(primitive.mode, 0)
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.rglob("*") if path.suffix.lower().lstrip(".") in FORMATS)
    rows = []
    for path in paths:
        mine = ours(path)
        lines = [f"trimesh: {line}" for line in differences(mine, by_trimesh(path))]
        lines += [f"glTF: {line}" for line in differences(mine, by_pygltflib(path))]
        rows.append(
            {"file": str(path.relative_to(options.folder)), "read": "refused" not in mine, "differences": lines}
        )
        for line in lines:
            print(f"{rows[-1]['file']}: {line[:300]}", flush=True)
    same = sum(not row["differences"] for row in rows)
    print(f"{len(rows)} files, {sum(row['read'] for row in rows)} read, {same} as the other readers read them")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
