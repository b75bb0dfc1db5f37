"""Posed pictures become a closed, coloured mesh of one piece, to the same bits after an interruption."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from safetensors.torch import load_file
from typer.testing import CliRunner

from ball_views import BLUE, RED, ball_views
from command_line import run_folder
from maquette.cameras.base import Cameras
from maquette.cli.app import app
from maquette.data.formats import PosedImages, save_posed_images
from maquette.export.drawing import MeshDrawing
from maquette.meshes.mesh import Mesh
from maquette.meshes.topology import count_components, is_watertight
from maquette.stages.finished import finished_scene, newest_scene
from maquette.training.run_folder import RunFolder
from views import around

METHOD = """
name: ball
stages:
  shape:
    type: reconstruct
    views: {folder}/views
    steps: 6
    hull: {{resolution: 24}}
    start: {{type: visual-hull, resolution: 24}}
    geometry: {{type: sdf-voxels, levels: [16, 24], redistance_every: 2}}
    renderer: {{type: mesh, supersampling: 1}}
    loop: {{log_every: 0, checkpoint_every: 1, keep_checkpoints: 9}}
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    save_posed_images(tmp_path / "views", ball_views(size=32))
    (tmp_path / "ball.yaml").write_text(METHOD.format(folder=tmp_path))
    return [str(tmp_path / "ball.yaml"), f"output={tmp_path}/out"]


def test_a_ball_is_closed_in_one_piece_and_has_the_colors_of_its_pictures(words):
    scene = finished_scene(RunFolder.open(run_folder("run", *words)))
    mesh = scene.surface(0)
    assert is_watertight(mesh) and count_components(mesh) == 1
    assert mesh.volume == pytest.approx(4 / 3 * np.pi / 8, rel=0.25)
    poles = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]])
    torch.testing.assert_close(scene.color(poles, poles), torch.tensor([RED, BLUE]), atol=0.1, rtol=0)
    assert not scene.extracted  # exporters take its triangles as they are


def test_a_resumed_run_has_the_same_bits_across_a_refinement(words):
    folder = run_folder("run", *words)
    files = ("checkpoints/shape/step-00000006/model.safetensors", "checkpoints/shape/mesh.safetensors")
    whole = [load_file(folder / file) for file in files]
    for step in (3, 4, 5, 6):  # what an interruption after the second step leaves; the third ends the first level
        for file in (folder / "checkpoints/shape" / f"step-{step:08d}").iterdir():
            file.unlink()
        (folder / "checkpoints/shape" / f"step-{step:08d}").rmdir()
    (folder / files[1]).unlink()
    run = RunFolder.open(folder)
    run.write_state({**run.read_state(), "finished": []})
    assert CliRunner().invoke(app, ["resume", str(folder)]).exit_code == 0
    for before, file in zip(whole, files, strict=True):
        after = load_file(folder / file)
        assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)


def test_a_stopped_fit_gives_the_mesh_of_its_last_checkpoint(words):
    """The run is stopped between its last checkpoint and its mesh, which therefore is the same."""
    run = RunFolder.open(run_folder("run", *words))
    mesh = finished_scene(run).surface(0)
    (run.checkpoints / "shape" / "mesh.safetensors").unlink()
    run.write_state({**run.read_state(), "finished": []})
    saved = newest_scene(run)
    assert (saved.stage, saved.step, saved.finished) == ("shape", 6, False)
    assert np.array_equal(saved.scene.surface(0).vertices, mesh.vertices)


def test_without_steps_the_result_is_the_start(words):
    mesh = finished_scene(RunFolder.open(run_folder("run", *words, "stages.shape.steps=0"))).surface(0)
    assert is_watertight(mesh) and not (mesh.vertices[:, 2] < -0.56).any()  # the flat base of the hull


def signpost_views(size: int = 48) -> PosedImages:
    """A blue block with a green arm to the front and a red one upward, from twelve sides."""
    block = trimesh.creation.box((0.4, 0.6, 0.5))
    front = trimesh.creation.box((0.3, 0.12, 0.12), trimesh.transformations.translation_matrix((0.35, 0.0, 0.0)))
    top = trimesh.creation.box((0.12, 0.12, 0.3), trimesh.transformations.translation_matrix((0.0, 0.0, 0.4)))
    parts, colors = (block, front, top), ((0.1, 0.1, 0.9), (0.1, 0.9, 0.1), (0.9, 0.1, 0.1))
    whole = trimesh.util.concatenate(parts)
    vertex_colors = np.repeat(np.array(colors), [len(part.vertices) for part in parts], axis=0)
    cameras = Cameras.cat([around(*range(0, 360, 60), elevation=angle, size=size) for angle in (-20.0, 30.0)])
    picture = MeshDrawing(Mesh(whole.vertices, whole.faces, vertex_colors)).render_cameras(cameras).picture
    names = tuple(f"view-{i}" for i in range(len(cameras)))
    return PosedImages(picture, cameras, ("train",) * len(names), names)


def test_an_exported_glb_is_upright_looks_along_z_and_has_normals_that_point_outward(words, tmp_path):
    save_posed_images(tmp_path / "signpost", signpost_views())
    export = "stages.export={type: export, exporters: {mesh: {formats: [glb]}}}"
    folder = run_folder("run", *words, "stages.shape.steps=0", f"stages.shape.views={tmp_path}/signpost", export)
    scene = trimesh.load(folder / "export" / "mesh.glb", process=False)
    (body,) = scene.dump()  # as a viewer of glTF places it
    vertices = np.asarray(body.vertices)
    assert vertices[:, 1].max() > 0.45 > -0.35 > vertices[:, 1].min() - 0.1  # the arm upward, along y
    assert vertices[:, 2].max() > 0.42 and vertices[:, 2].min() > -0.36  # the arm to the front, along z
    assert np.abs(vertices[:, 0]).max() < 0.4  # the block's width
    assert body.volume > 0 and (np.einsum("vd,vd->v", body.vertex_normals, own_normals(body)) > 0.3).mean() > 0.99
    texture = np.asarray(body.visual.material.baseColorTexture.convert("RGB")) / 255
    assert texel(texture, body.visual.uv[vertices[:, 1].argmax()]).argmax() == 0  # red on top
    assert texel(texture, body.visual.uv[vertices[:, 2].argmax()]).argmax() == 1  # green in front


def own_normals(body: trimesh.Trimesh) -> np.ndarray:
    """Normals at vertices by the winding of the faces at the same position."""
    welded = trimesh.Trimesh(body.vertices, body.faces, process=True)
    nearest = welded.kdtree.query(body.vertices)[1]
    return np.asarray(welded.vertex_normals)[nearest]


def texel(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """The texel at uv; trimesh turns glTF's v upward."""
    height, width = texture.shape[:2]
    return texture[min(int((1 - uv[1]) * height), height - 1), min(int(uv[0] * width), width - 1)]


def test_a_mesh_has_about_as_many_faces_as_asked_for(words):
    folder = run_folder("run", *words, "stages.shape.steps=0", "stages.shape.max_faces=300")
    mesh = finished_scene(RunFolder.open(folder)).surface(0)
    assert len(mesh.faces) <= 310 and is_watertight(mesh)


def refusal(*words: str) -> str:
    result = CliRunner().invoke(app, ["run", *words])
    assert result.exit_code != 0
    return " ".join(f"{result.output} {result.exception}".split())


def test_without_a_stage_that_samples_there_are_no_pictures(words):
    text = refusal(*words, "stages.shape.views=previous")
    assert "no pictures to reconstruct from" in text and "stage of type sample" in text


def test_a_missing_folder_and_missing_losses_are_refused(words):
    assert "there is no folder" in refusal(*words, "stages.shape.views=nowhere")
    assert "steps: 0" in refusal(*words, "stages.shape.losses={}")


def test_a_loss_of_normals_without_an_estimator_names_the_remedy(words):
    assert "estimator" in refusal(*words, "stages.shape.losses.normal-l1.weight=1")


def test_opaque_pictures_of_a_folder_are_refused(words, tmp_path):
    views = ball_views(size=16)
    opaque = type(views.picture).opaque(views.picture.color)
    save_posed_images(tmp_path / "opaque", type(views)(opaque, views.cameras, views.split, views.names))
    assert "pictures are opaque" in refusal(*words, f"stages.shape.views={tmp_path}/opaque")
