"""What `import maquette` hands out, used as its page says."""

from __future__ import annotations

import ast
import subprocess
import sys

import numpy as np
import pytest
import torch
import trimesh
import yaml

import maquette as mq
from maquette.losses.opacity import Opacity
from project import ROOT

HEAVY = ("torch", "numpy", "yaml", "pydantic")


def test_importing_maquette_imports_nothing_heavy_and_hands_out_all_names():
    code = f"import maquette, sys; print({set(HEAVY)!r} & set(sys.modules), set(maquette.__all__) - set(dir(maquette)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "set() set()"


def test_each_public_name_is_there_and_documented():
    for name in mq.__all__:
        assert getattr(mq, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        mq.runn  # noqa: B018


def test_editors_are_told_the_same_names():
    stub = ast.parse((ROOT / "framework" / "maquette" / "__init__.pyi").read_text())
    imported = {
        alias.asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert imported == {name: module for module, names in mq._PLACES.items() for name in names}
    assert sorted(imported) == sorted(mq.__all__)


def test_no_public_name_is_that_of_a_package():
    """Importing a package sets its name on `maquette`, and would hide the function."""
    import pkgutil

    assert not {module.name for module in pkgutil.iter_modules(mq.__path__)} & set(mq.__all__)


def test_settings_of_python_are_settings_of_a_file():
    settings = {"stages.nerf.losses.opacity.weight": [[0, 0.0], ["50%", 1.0]], "~stages.export": None}
    resolved = mq.show("dreamfusion", settings, prompt="yes", prior="oracle")
    plain = yaml.safe_load(resolved)
    assert plain["stages"]["nerf"]["losses"]["opacity"]["weight"] == [[0, 0.0], ["50%", 1.0]]
    assert plain["prompt"] == "yes" and list(plain["stages"]) == ["nerf"] and plain["groups"]["prior"] == "oracle"


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: mq.run("dreamfusio"), "there is no method called 'dreamfusio'; did you mean 'dreamfusion'?"),
        (lambda: mq.run("dreamfusion", {"stages.nerf.stpes": 3}, prompt="x"), "stages.nerf.stpes: unknown key"),
        (lambda: mq.run("dreamfusion", prompt=object()), "prompt: this value cannot stand in a method"),
        (lambda: mq.load("nowhere"), "there is no run folder nowhere"),
        (lambda: mq.part("loss", "opacity", wieght=1), "did you mean 'weight'?"),
        (lambda: mq.part("loss", "opaque"), "there is no loss called 'opaque'"),
        (lambda: mq.part("lose", "opacity"), "did you mean 'loss'?"),
        (lambda: mq.prior("nanno"), "there is no prior called 'nanno'; did you mean 'nano'?"),
        (lambda: mq.save(ball(), "ball.fbx"), "a mesh is written as .glb, .obj, .ply, not as '.fbx'"),
    ],
)
def test_what_is_wrong_is_told_in_the_line_of_the_command_line(call, line):
    with pytest.raises(mq.MaquetteError) as problem:
        call()
    assert line in str(problem.value) and "\n" not in str(problem.value)


def test_a_part_has_its_config_checked_and_is_built_with_what_it_needs():
    loss = mq.part("loss", "opacity", weight=[[0, 1.0], [10, 2.0]])
    assert isinstance(loss, Opacity) and loss.config.weight(5, 10) == 1.5
    assert mq.part("renderer", "mesh", bound=1.0, near=0.2).config.near == 0.2
    assert "opacity" in mq.parts("loss") and "loss" in mq.parts()


def test_methods_are_listed_with_their_summaries():
    assert "score distillation" in mq.methods()["dreamfusion"]


def ball(**colors):
    body = trimesh.creation.icosphere(3, 0.5)
    return mq.Mesh(body.vertices, body.faces, **colors)


def test_a_mesh_comes_back_from_each_format(tmp_path):
    mesh = ball(vertex_colors=np.full((642, 3), 0.25))
    for suffix in ("glb", "obj", "ply"):
        again = mq.read_mesh(mq.save(mesh, tmp_path / "new" / f"ball.{suffix}"))
        np.testing.assert_allclose(again.bounds, mesh.bounds, atol=1e-6)
        np.testing.assert_allclose(again.vertex_colors.mean(), 0.25, atol=0.01)


def test_a_ball_covers_what_geometry_says():
    cameras = mq.orbit(azimuth_deg=[0, 120], elevation_deg=30, distance=3.0, fov_y_deg=40, size=128)
    views = mq.render(ball(), cameras)
    radius = np.tan(np.arcsin(0.5 / 3)) / np.tan(np.deg2rad(20))  # of the disc, in half sides of the picture
    assert views.picture.alpha.mean((1, 2, 3)).tolist() == pytest.approx([np.pi * radius**2 / 4] * 2, rel=0.02)
    assert mq.sheet(views).size[0] > 2 * 160 and mq.sheet(views.rgb, columns=1).size[1] > 2 * 160


def test_views_are_sampled_of_a_prior_that_is_built(tiny_multi_view, tmp_path):
    file = tmp_path / "views.yaml"
    file.write_text(yaml.safe_dump({"prior": {"type": "mvdream", "path": str(tiny_multi_view)}}))
    prior = mq.prior(file, dtype="float32")
    pictures = mq.sample_views(prior, "a red mug", steps=2, count=2, seed=5)
    assert pictures.shape == (8, 16, 16, 3)
    assert torch.equal(pictures[4:], mq.sample_views(prior, "a red mug", steps=2, seed=6))
    other = mq.sample_views(prior, "a red mug", steps=2, seed=6, score=mq.part("score", "cfg", scale=1.0))
    assert torch.equal(other, mq.sample_views(prior, "a red mug", steps=2, seed=6, scale=1.0))
    with pytest.raises(mq.MaquetteError, match="prompt: missing value"):
        mq.sample_views(prior)


def test_a_named_prior_takes_the_prompt_as_it_is_typed(tiny_pixel_model, tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(
        yaml.safe_dump({"prior": {"type": "stable-diffusion", "path": str(tiny_pixel_model), "dtype": "float32"}})
    )
    typed = mq.sample_views(file, "a red mug", steps=2)
    assert torch.equal(typed, mq.sample_views(mq.prior(file, view_dependent=False), "a red mug", steps=2))
    assert not torch.equal(typed, mq.sample_views(mq.prior(file), "a red mug", steps=2))


def test_novel_views_are_as_many_as_the_cameras(tiny_zero123, tmp_path):
    from PIL import Image

    image = Image.new("RGBA", (32, 32))
    image.paste((200, 30, 30, 255), (8, 8, 24, 24))
    image.save(tmp_path / "red.png")
    file = tmp_path / "novel.yaml"
    file.write_text(yaml.safe_dump({"prior": {"type": "zero123", "path": str(tiny_zero123), "dtype": "float32"}}))
    views = mq.sample_views(file, image=tmp_path / "red.png", steps=2, cameras=mq.orbit(azimuth_deg=[30, 60, 90]))
    assert len(views) == 3
