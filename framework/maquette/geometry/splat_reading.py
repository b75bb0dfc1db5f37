"""Reading of Gaussian clouds: `.ply` in the layout of 3DGS, and `.splat`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from maquette.geometry.splat_cloud import SplatCloud
from maquette.kernels.splatting import HARMONIC_0
from maquette.loaded import Loaded
from maquette.meshes.formats.ply import GAUSSIAN
from maquette.meshes.formats.ply_table import read_ply_table
from maquette.meshes.formats.source import Source
from maquette.meshes.points import count_far
from maquette.meshes.reading import BROKEN_CONTENT, describe_problem, open_source

ROW = np.dtype([("place", "<f4", 3), ("scale", "<f4", 3), ("color", "u1", 4), ("turn", "u1", 4)])  # of .splat
DISK_SCALE = 1e-6  # standard deviation along the normal of disks, whose files have two scales
LONGEST_HEADER = 2**16  # bytes of a .ply file that are searched for the names of its columns
CLEAREST, DENSEST = 1e-4, 1 - 1e-4  # opacities are kept within, so that their logits are finite


def holds_splats(path: str | Path) -> bool:
    """Whether a file is a cloud of Gaussians: `.splat`, or `.ply` with the columns of 3DGS."""
    path = Path(path).expanduser()
    if path.suffix.lower() != ".ply" or not path.is_file():
        return path.suffix.lower() == ".splat"
    with path.open("rb") as stream:
        head = stream.read(LONGEST_HEADER).split(b"end_header")[0].split()
    return all(name.encode() in head for name in GAUSSIAN)


def inspect_splats(path: str | Path, key: str = "") -> Loaded[SplatCloud]:
    """Read a cloud of Gaussians with an account of it.

    Args:
        path: a `.splat` file, or `.ply` in the layout of 3DGS; a file with two scales holds disks (2DGS).
        key: config key of the path, for error messages.

    Returns:
        Gaussians whose numbers are all finite. Facts: `points`, their number; `bounds` of their means; `degree` of the
        spherical harmonics; `mean_color` in sRGB.

    Raises:
        ConfigError: there is no such file, it is broken, or it holds no Gaussians.
    """
    path = Path(path).expanduser()
    source = open_source(path, key, ("ply", "splat"), "file of Gaussians")
    try:
        with np.errstate(all="ignore"):  # numbers that are too large become infinite, and are left out
            cloud = _read_ply(source) if path.suffix.lower() == ".ply" else _read_splat(source)
    except BROKEN_CONTENT as problem:
        raise source.broken(describe_problem(problem)) from problem
    cloud = _finite(cloud, source)
    if far := count_far(cloud.means):
        source.warns(f"{far} of its {len(cloud)} Gaussians lie far from the others")
    facts: dict[str, Any] = {
        "points": len(cloud),
        "bounds": [cloud.means.min(0).round(6).tolist(), cloud.means.max(0).round(6).tolist()],
        "degree": round(cloud.harmonics.shape[1] ** 0.5) - 1,
        "mean_color": cloud.base_color.mean(0).round(4).tolist(),
    }
    name = "3dgs-ply" if path.suffix.lower() == ".ply" else "splat"
    return Loaded(
        cloud, "splats", name, tuple(source.used), tuple(source.ignored), tuple(source.warnings), facts
    )  # fmt: skip


def _read_ply(source: Source) -> SplatCloud:
    vertex = read_ply_table(source).elements.get("vertex")
    columns = vertex.columns if vertex is not None else {}
    missing = [name for name in ("x", "y", "z", *GAUSSIAN, "f_dc_2", "scale_1", "rot_3") if name not in columns]
    if missing:
        hint = "export it uncompressed" if "packed_position" in columns else ""
        raise source.error(f"it holds no Gaussians in the layout of 3DGS: it has no {missing[0]}", hint=hint)

    def stack(prefix: str, count: int) -> np.ndarray:
        return np.stack([columns[f"{prefix}{i}"] for i in range(count)], axis=-1).astype(np.float64)

    for feature in ("colors", "opacities", "scales", "rotations"):
        source.uses(feature)
    means = np.stack([columns[axis] for axis in "xyz"], axis=-1).astype(np.float64)
    scales = np.exp(stack("scale_", 3 if "scale_2" in columns else 2).clip(-50, 50))
    if scales.shape[1] == 2:
        source.uses("disks")
        scales = np.concatenate([scales, np.full((len(scales), 1), DISK_SCALE)], axis=1)
    opacities = 1 / (1 + np.exp(-columns["opacity"].astype(np.float64).clip(-50, 50)))
    return SplatCloud(means, stack("rot_", 4), scales, opacities, _harmonics(columns, stack("f_dc_", 3), source))


def _harmonics(columns: dict[str, np.ndarray], first: np.ndarray, source: Source) -> np.ndarray:
    """[n, K, 3]; the file has the rest channel by channel."""
    count = sum(name.startswith("f_rest_") for name in columns)
    degree = round((count / 3 + 1) ** 0.5) - 1
    if 3 * ((degree + 1) ** 2 - 1) != count or degree > 3:
        source.leaves(f"spherical harmonics, as {count} of them are of no degree")
        count = 0
    if not count:
        return first[:, None]
    source.uses("spherical harmonics")
    rest = np.stack([columns[f"f_rest_{i}"] for i in range(count)], axis=-1).astype(np.float64)
    return np.concatenate([first[:, None], rest.reshape(len(rest), 3, -1).transpose(0, 2, 1)], axis=1)


def _read_splat(source: Source) -> SplatCloud:
    data = source.read_bytes()
    if not data or len(data) % ROW.itemsize:
        raise source.broken(f"{len(data)} bytes are no whole number of Gaussians of {ROW.itemsize} bytes")
    rows = np.frombuffer(data, ROW)
    for feature in ("colors", "opacities", "scales", "rotations"):
        source.uses(feature)
    harmonics = (rows["color"][:, :3] / 255 - 0.5) / HARMONIC_0
    return SplatCloud(
        rows["place"].astype(np.float64), (rows["turn"].astype(np.float64) - 128) / 128,
        rows["scale"].astype(np.float64), rows["color"][:, 3] / 255, harmonics[:, None],
    )  # fmt: skip


def _finite(cloud: SplatCloud, source: Source) -> SplatCloud:
    """The Gaussians whose numbers are finite, with rotations of length 1 and opacities strictly between 0 and 1."""
    columns = (cloud.means, cloud.quaternions, cloud.scales, cloud.opacities, cloud.harmonics)
    finite = np.logical_and.reduce([np.isfinite(column).reshape(len(cloud), -1).all(1) for column in columns])
    finite &= np.linalg.norm(cloud.quaternions, axis=1) > 1e-8
    finite &= (cloud.scales >= 0).all(1)
    if not finite.any():
        raise source.error("it holds no Gaussian whose numbers are finite" if len(cloud) else "it holds no Gaussians")
    if not finite.all():
        source.warns(f"{int((~finite).sum())} of its {len(cloud)} Gaussians are not finite and are left out")
    means, quaternions, scales, opacities, harmonics = (column[finite] for column in columns)
    quaternions = quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
    scales = np.maximum(scales, 1e-9)
    return SplatCloud(means, quaternions, scales, opacities.clip(CLEAREST, DENSEST), harmonics)
