"""`maquette train`: the list of recipes, its options, and one training from start to finish."""

import json

import pytest
from typer.testing import CliRunner

from command_line import logged, run_folder
from maquette.cli.app import app
from maquette.config import paths
from mesh_folder import write_meshes


def call(*words):
    return CliRunner().invoke(app, list(words))


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    return write_meshes(tmp_path_factory.mktemp("train") / "boxes")


@pytest.fixture
def words(meshes, tiny_pixel_model, tiny_clip, tmp_path):
    """The recipe on four boxes of 16 x 16 pixels, from a prior and an encoder with random weights."""
    return [
        "novel-view", f"dataset={meshes}", f"prior={tiny_pixel_model}", f"output={tmp_path / 'out'}",
        *(f"stages.views.{word}" for word in (
            f"learner.image_encoder={tiny_clip}", "learner.sample_steps=1", "learner.evaluated=2", "steps=4", "batch=2",
            "dataset.size=16", "dataset.views=3", "dataset.workers=1", f"dataset.cache={tmp_path.parent / 'views'}",
            "loop.checkpoint_every=1", "loop.preview_every=4", "loop.log_every=1", "loop.keep_checkpoints=9",
        )),
    ]  # fmt: skip


def test_train_alone_lists_all_recipes_with_what_they_do():
    result = call("train")
    assert result.exit_code == 0
    assert all(name in result.output for name in paths.available("training"))
    assert "fine-tunes an image-variation" in result.output


def test_train_fine_tunes_a_prior_to_views_of_the_meshes_of_a_folder(words):
    folder = run_folder("train", *words)
    assert folder.parent.name == "boxes" and len(logged(folder)) == 4
    assert (folder / "previews" / "views" / "000004.png").is_file()
    assert "psnr of the input" in json.loads((folder / "export" / "views.json").read_text())
    from maquette.priors.zero123.zero123 import Zero123

    assert Zero123(Zero123.Config(path=str(folder / "export" / "views"), dtype="float32")).size == 16


def test_train_says_what_a_recipe_lacks(words):
    result = call("train", "novel-view", "prior=nano-text")
    assert result.exit_code == 2 and 'give it on the command line as dataset="..."' in result.output
    result = call("train", words[0], words[1])
    assert result.exit_code == 2 and "prior: missing value" in result.output


def test_train_tries_a_recipe_and_keeps_nothing(words, tmp_path):
    result = call("train", *words, "--dry-run")
    assert result.exit_code == 0 and "nothing was kept" in result.output, result.output
    assert not (tmp_path / "out").exists()


def test_running_a_sweep_refuses_options_of_a_single_run_of_train_too(words):
    result = call("train", *words, "seed=0,1", "--sweep", "--dry-run")
    assert result.exit_code == 2 and "--dry-run is for a single run" in result.output
    result = call("train", *words, "--jobs", "2")
    assert result.exit_code == 2 and "--jobs and --name are for sweeps" in result.output


def test_one_mesh_alone_ends_the_training_with_the_reason(words, meshes, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "red.glb").write_bytes((meshes / "red.glb").read_bytes())
    result = call("train", *words, f"dataset={tmp_path / 'one'}")
    assert result.exit_code == 2 and "has one mesh alone" in result.output


@pytest.mark.slow
def test_a_sweep_of_train_runs_the_recipe_for_each_seed(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("train", *words, "seed=0,1", "--sweep")
    assert result.exit_code == 0, result.output
    assert len(list(tmp_path.rglob("export/views.json"))) == 2
