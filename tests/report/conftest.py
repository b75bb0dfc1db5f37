"""A run folder with all that a report shows."""

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from maquette.export.video import write_gif, write_mp4
from maquette.export.writers import write_glb
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import bake, unwrap

HOSTILE = "a mug </title><script>alert('prompt')</script> & \"{{ 7 * 7 }}\" \u202e 杯"


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    rows = [
        {"stage": stage, "step": step, "loss": 1 / (step + 1), "loss/sds": 0.5, "t": 900 - step, "lr": 0.01}
        for stage in ("coarse", "fine") for step in range(0, 400, 10)
    ]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 17, "lo')
    (folder / "config.yaml").write_text(f"name: dreamfusion  # a method\nprompt: {json.dumps(HOSTILE)}\n")
    manifest = {"method": "dreamfusion", "prompt": HOSTILE, "seed": 3, "wall_seconds": 3725.0, "command": HOSTILE}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    frames = np.random.default_rng(0).random((4, 32, 32, 3))
    write_mp4(folder / "export" / "turntable.mp4", frames, 10)
    write_gif(folder / "export" / "turntable.gif", frames, 10)
    box = trimesh.creation.box()
    cube = Mesh(box.vertices, box.faces)
    write_glb(folder / "export" / "mesh.glb", bake(unwrap(cube, 64), lambda points, normals: normals / 2 + 0.5, 64))
    for name in ("previews/coarse/000100.png", "export/sheet.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((frames[0] * 255).astype(np.uint8)).save(folder / name)
    return folder
