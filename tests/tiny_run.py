"""Runs of the command line that are over in a second."""

from __future__ import annotations

from pathlib import Path


def tiny_words(model: Path, output: Path) -> list[str]:
    """Overrides that shrink `dreamfusion`; nothing is logged, as curves take as long."""
    return [
        f"prior.path={model}",
        f"output={output}",
        "prior.dtype=float32",
        "stages.nerf.steps=8",
        "stages.nerf.cameras.size=16",
        "stages.nerf.geometry.levels=4",
        "stages.nerf.geometry.log2_table_size=10",
        "stages.nerf.geometry.finest_resolution=32",
        "stages.nerf.renderer.samples=24",
        "stages.nerf.renderer.occupancy.resolution=16",
        "stages.nerf.loop.preview_every=0",
        "stages.nerf.loop.log_every=0",
        "stages.nerf.loop.checkpoint_every=4",
        "stages.export.exporters.mesh={resolution: 24, texture_size: 64, max_faces: 500}",
        "stages.export.exporters.turntable={frames: 4, size: 32}",
        "stages.export.exporters.contact-sheet={size: 32}",
    ]


TINY_METHOD = """
name: tiny
prompt: ???
stages:
  nerf:
    type: optimise
    steps: 2
    cameras: {type: random-orbit, size: 16}
    geometry: {type: voxel-grid, resolution: 8}
    material: plain
    background: solid
    renderer: {type: volume, samples: 8}
    losses: {opacity: {weight: 1.0}}
    loop: {device: cpu, log_every: 0, preview_every: 0}
  export:
    type: export
    exporters:
      mesh: {resolution: 12, threshold: 0.001, texture_size: 16, max_faces: 100, formats: [glb]}
      contact-sheet: {size: 24, of: scene}
"""
"""A method without a prior, which runs in a second."""


ONE_STAGE = """
name: tiny
prompt: a mug
stages:
  first:
    type: optimise
    steps: 1
    cameras: {type: fixed, size: 8}
    geometry: {type: voxel-grid, resolution: 4}
    material: plain
    background: solid
    renderer: {type: volume, samples: 4}
    losses: {opacity: {weight: 1.0}}
    loop: {device: cpu, log_every: 0}
"""
"""A method of one stage, which runs in a moment."""


def tiny_method(folder: Path) -> Path:
    """TINY_METHOD as a file."""
    path = folder / "tiny.yaml"
    path.write_text(TINY_METHOD)
    return path
