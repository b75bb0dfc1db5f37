"""A tiny suite of two columns and two pictures, whose true objects are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

METHOD = """
name: tiny
image: ???
stages:
  nerf:
    type: optimise
    steps: 4
    data: {type: image, path: "${image}", size: 16, depth: "", normal: ""}
    geometry: {type: voxel-grid, resolution: 12}
    material: plain
    background: solid
    renderer: {type: volume, samples: 8}
    losses: {rgb: {weight: 1.0}}
    loop: {device: cpu, log_every: 0, preview_every: 0}
"""

SUITE = """
name: pictures
summary: two pictures
methods:
  tiny: {method: ./tiny.yaml}
  other: {method: ./tiny.yaml, overrides: [stages.nerf.steps=6]}
seeds: [1]
protocol: {subject: export, mesh: {resolution: 12, threshold: 0.001, texture_size: 16, max_faces: 100}}
cases:
  - {image: disc.png, labels: {category: disc}, truth: {type: files, surface: ball.ply}}
  - {image: square.png, labels: {category: square}, truth: {type: files, surface: box.ply}}
metrics:
  volume-iou: {samples: 12, resolution: 12}
  surface-distance: {samples: 400, resolution: 12}
  refview: {size: 16}
"""
"""Of the tiny method, what is measured is the exported mesh."""


def write_suite(folder: Path) -> Path:
    """The suite, its method, its pictures and the true objects as files."""
    axis = np.arange(16) - 7.5
    inside = {"disc": np.hypot(axis[:, None], axis) < 6, "square": np.maximum(np.abs(axis)[:, None], np.abs(axis)) < 5}
    for name, color in (("disc", (200, 40, 30)), ("square", (30, 60, 220))):
        rgba = np.zeros((16, 16, 4), np.uint8)
        rgba[inside[name]] = (*color, 255)
        Image.fromarray(rgba).save(folder / f"{name}.png")
    trimesh.creation.icosphere(3, 0.45).export(folder / "ball.ply")
    trimesh.creation.box((0.8, 0.8, 0.8)).export(folder / "box.ply")
    (folder / "tiny.yaml").write_text(METHOD)
    (folder / "pictures.yaml").write_text(SUITE)
    return folder / "pictures.yaml"
