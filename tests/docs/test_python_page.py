"""The Python that docs/python.md shows runs as it stands, on tiny models and a method of eight steps."""

from __future__ import annotations

import pytest
import trimesh
import yaml
from PIL import Image

import maquette as mq
from project import examples
from tiny_run import tiny_words

pytestmark = pytest.mark.slow


def test_the_page_runs(tiny_pixel_model, tiny_multi_view, tiny_zero123, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny = dict(word.split("=", 1) for word in tiny_words(tiny_pixel_model, tmp_path / "outputs"))
    weights = {"nano": tiny_pixel_model, "nano-mvdream": tiny_multi_view, "nano-zero123": tiny_zero123}
    for name, kind in {"nano": "stable-diffusion", "nano-mvdream": "mvdream", "nano-zero123": "zero123"}.items():
        settings = {"type": kind, "path": str(weights[name]), "dtype": "float32"}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"prior": settings}))
    image = Image.new("RGBA", (32, 32))
    image.paste((200, 30, 30, 255), (8, 8, 24, 24))
    image.save(tmp_path / "robot.png")
    body = trimesh.creation.icosphere(2, 0.5)
    mq.save(mq.Mesh(body.vertices, body.faces), "chair.glb")

    code = "\n".join(examples("python", "python"))
    for old, new in {
        'mq.run("instant", ': 'mq.run("dreamfusion", TINY, ',
        '{"stages.nerf.steps": 400, ': '{**TINY, "stages.nerf.steps": 4, ',
        '"outputs/instant/a-red-mug/20260101-120000"': "run.path",
        '"outputs/dreamfusion/a-blue-car/20260101-120000"': "run.path",
        '"nano"': '"nano.yaml"', '"nano-mvdream"': '"nano-mvdream.yaml"', '"nano-zero123"': '"nano-zero123.yaml"',
        "1, 3, 64, 64": "1, 3, 16, 16",
    }.items():  # fmt: skip
        assert old in code, old
        code = code.replace(old, new)
    names: dict = {"TINY": tiny}
    exec(code, names)
    assert names["run"].config["stages"]["nerf"]["steps"] == 4 and names["gradient"].shape == (1, 3, 16, 16)
    assert len(mq.read_mesh("chair.obj").faces) == len(body.faces)
