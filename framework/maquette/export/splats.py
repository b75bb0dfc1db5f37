"""Files of Gaussian clouds for splat viewers: 3DGS's `.ply`, and `.splat`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maquette.files import atomic_path
from maquette.geometry.splat_cloud import SplatCloud


def write_splat_ply(path: Path, cloud: SplatCloud) -> Path:
    """Binary PLY with the properties of 3DGS: logarithms of scales, logits of opacities, harmonics channel by channel.

    Source: the layout of the code released with Kerbl et al. 2023 (3DGS, arXiv 2308.04079).
    """
    rest = cloud.harmonics[:, 1:].transpose(0, 2, 1).reshape(len(cloud), 3 * (cloud.harmonics.shape[1] - 1))
    opacity = np.clip(cloud.opacities, 1e-6, 1 - 1e-6)
    columns = {
        **dict(zip(("x", "y", "z"), cloud.means.T, strict=True)),
        **{name: np.zeros(len(cloud)) for name in ("nx", "ny", "nz")},
        **{f"f_dc_{i}": cloud.harmonics[:, 0, i] for i in range(3)},
        **{f"f_rest_{i}": rest[:, i] for i in range(rest.shape[1])},
        "opacity": np.log(opacity / (1 - opacity)),
        **{f"scale_{i}": np.log(np.maximum(cloud.scales[:, i], 1e-9)) for i in range(3)},
        **{f"rot_{i}": cloud.quaternions[:, i] for i in range(4)},
    }
    rows = np.empty(len(cloud), dtype=[(name, "<f4") for name in columns])
    for name, values in columns.items():
        rows[name] = values
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    header += [f"property float {name}" for name in columns]
    with atomic_path(path) as place:
        place.write_bytes("\n".join([*header, "end_header", ""]).encode() + rows.tobytes())
    return path


def write_splat(path: Path, cloud: SplatCloud) -> Path:
    """`.splat`: 32 bytes a Gaussian, the largest and most opaque first; colours do not depend on the view.

    Source: the layout of antimatter15/splat: position and scale as floats, RGBA and rotation as bytes.
    """
    order = np.argsort(-cloud.scales.prod(axis=1) * cloud.opacities, kind="stable")
    row = [("place", "<f4", 3), ("scale", "<f4", 3), ("color", "u1", 4), ("turn", "u1", 4)]
    rows = np.empty(len(cloud), dtype=row)
    rows["place"], rows["scale"] = cloud.means[order], cloud.scales[order]
    rgba = np.concatenate([cloud.base_color, cloud.opacities[:, None]], axis=1)[order]
    rows["color"] = np.round(rgba * 255)
    rows["turn"] = np.clip(np.round(cloud.quaternions[order] * 128 + 128), 0, 255)
    with atomic_path(path) as place:
        place.write_bytes(rows.tobytes())
    return path
