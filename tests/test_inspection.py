"""`maquette inspect` says what a run would read, in words or in JSON, or ends with the run's own line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from imageio.v3 import imwrite
from safetensors.torch import save_file
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.config.loading import load_method
from project import page

COMMON = {"kind", "format", "used", "ignored", "warnings"}


def inspected(path: Path | str) -> dict:
    done = CliRunner().invoke(app, ["inspect", str(path), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def documented(kind: str) -> set[str]:
    """Keys that docs/inspect.md lists for a kind."""
    row = next(line for line in page("inspect").splitlines() if line.startswith(f"| `{kind}` | "))
    depth, names, name = 0, set(), ""
    for word in row.split("|")[2].split("`"):  # every second piece is in backticks
        if name == "quoted" and depth == 0:
            names.add(word)
        else:
            depth += word.count("(") - word.count(")")
        name = "" if name == "quoted" else "quoted"
    return names


def test_a_mesh(tmp_path):
    trimesh.creation.box((1, 2, 3)).export(tmp_path / "box.ply")
    account = inspected(tmp_path / "box.ply")
    assert (account["kind"], account["faces"], account["watertight"], account["components"]) == ("mesh", 12, True, 1)
    assert account["bounds"] == [[-0.5, -1, -1.5], [0.5, 1, 1.5]]
    assert set(account) == COMMON | documented("mesh")


def test_points(tmp_path):
    trimesh.PointCloud(np.random.default_rng(0).random((50, 3))).export(tmp_path / "cloud.ply")
    account = inspected(tmp_path / "cloud.ply")
    assert (account["kind"], account["points"]) == ("points", 50) and set(account) == COMMON | documented("points")


def test_a_picture(tmp_path):
    rgba = np.zeros((6, 8, 4), np.uint8)
    rgba[2:4, 3:7] = 255
    imwrite(tmp_path / "a.png", rgba)
    account = inspected(tmp_path / "a.png")
    assert (account["width"], account["height"], account["object_box"]) == (8, 6, [3, 2, 7, 4])
    assert set(account) == COMMON | documented("picture")


def test_posed_pictures(tmp_path):
    from maquette.data.formats import save_posed_images
    from maquette_nano import world
    from maquette_nano.posed import posed_object

    images = posed_object(world.make_object("mug", "red", "blue", "plain", seed=1), views=4, size=16, test_views=1)
    save_posed_images(tmp_path / "mug", images)
    account = inspected(tmp_path / "mug")
    assert account["cameras"] == 5 and set(account) == COMMON | documented("posed-images")
    assert inspected(tmp_path / "mug" / "cameras.json") == account


def test_a_prior_by_the_name_that_a_plugin_gives_it():
    account = inspected("nano-text")
    assert account["prediction_type"] == "v_prediction" and "stable-diffusion" in account["usable_for"]
    assert set(account) == COMMON | documented("prior")


def test_a_lora(tmp_path):
    layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    save_file(
        {f"{layer}.lora_A.weight": torch.ones(2, 16), f"{layer}.lora_B.weight": torch.ones(16, 2)},
        tmp_path / "lora.safetensors",
    )
    account = inspected(tmp_path / "lora.safetensors")
    assert account["kind"] == "lora" and account["ranks"] == [2] and set(account) == COMMON | documented("lora")


def test_a_run(tmp_path):
    from maquette.training.run_folder import RunFolder

    method = "prompt: a mug\nstages: {export: {type: export, exporters: {points: {}}}}\n"
    run = RunFolder.create(str(tmp_path), "m", "a mug", method)
    account = inspected(run.path)
    assert account["stages"] == [{"name": "export", "type": "export", "finished": False}] and account["resumable"]
    assert set(account) == COMMON | documented("run")


def test_a_run_that_is_inspected_while_it_writes_is_left_alone(tmp_path):
    config = load_method("dreamfusion", ["prompt=a mug"]).to_yaml()
    half_written = tmp_path / "checkpoints" / "nerf" / ".tmp-00000005"
    half_written.mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(config)
    before = sorted(tmp_path.rglob("*"))
    inspected(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["nothing", "./nothing.obj", "/nowhere/at/all", "a" * 300, "~nosuchuser/x"])
def test_what_is_not_there_is_one_line_with_exit_code_2(name):
    done = CliRunner().invoke(app, ["inspect", name])
    assert done.exit_code == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_refusal_is_the_line_that_a_run_ends_with(tmp_path):
    (tmp_path / "bad.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n")
    done = CliRunner().invoke(app, ["inspect", str(tmp_path / "bad.obj")])
    assert done.exit_code == 2 and "bad.obj:4" in done.stderr
