"""Views sampled from each family of priors: posed, cut out, chosen, and again when a run resumes."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from command_line import run_folder
from maquette.cli.app import app
from maquette.config.loading import load_method
from maquette.config.parts import check
from maquette.data.formats import load_posed_images
from maquette.errors import ConfigError
from maquette.inspection import inspect_path
from maquette.perception.clip import Clip
from maquette.stages.base import StageContext
from maquette.stages.sample import Sample
from maquette.training.run_folder import RunFolder

RING = {"type": "list", "azimuth_deg": [0, 90, 180, 270], "elevation_deg": [15], "distance": [3.2], "fov_y_deg": [35]}
SIX = {
    "type": "list", "azimuth_deg": [30, 90, 150, 210, 270, 330], "elevation_deg": [20, -10], "distance": [4.0],
    "fov_y_deg": [30],
}  # fmt: skip


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A red square on a transparent background."""
    image = Image.new("RGBA", (32, 32))
    image.paste((200, 30, 30, 255), (8, 8, 24, 24))
    image.save(tmp_path / "red_rgba.png")
    return tmp_path / "red_rgba.png"


def write_method(folder: Path, prior: dict[str, Any], cameras: dict[str, Any] = RING, **settings: Any) -> Path:
    stage = {
        "type": "sample", "prior": {"dtype": "float32", **prior}, "score": {"type": "cfg", "scale": 3},
        "sampling": {"steps": 2}, "cameras": cameras, **settings,
    }  # fmt: skip
    method = {"prompt": "a red mug", "output": str(folder / "outputs"), "stages": {"views": stage}}
    (folder / "method.yaml").write_text(yaml.safe_dump(method))
    return folder / "method.yaml"


def of_picture(picture: Path) -> dict[str, Any]:
    return {"data": {"type": "image", "path": str(picture), "elevation_deg": 15, "size": 16}}


def sampled(*words: Any) -> Path:
    return run_folder("run", *map(str, words))


def test_a_prior_of_views_makes_posed_pictures_of_a_prompt(tiny_multi_view, tmp_path):
    run = sampled(write_method(tmp_path, {"type": "mvdream", "path": str(tiny_multi_view)}))
    images = load_posed_images(run / "views" / "views")
    assert images.names == ("view-0", "view-1", "view-2", "view-3") and images.picture.size == (16, 16)
    assert torch.allclose(images.cameras.azimuth_deg % 360, torch.tensor([0.0, 90, 180, 270]), atol=1e-3)
    assert torch.allclose(images.cameras.elevation_deg, torch.tensor(15.0), atol=1e-3)
    assert float(images.picture.alpha.min()) == 1  # without a matting
    assert (run / "views" / "views.png").is_file()
    account = {"chosen": 0, "candidates": [{"similarity": None, "problem": None}]}
    assert json.loads((run / "views" / "views.json").read_text()) == account


def test_the_same_seed_samples_the_same_views_and_another_seed_others(tiny_multi_view, tmp_path):
    method = write_method(tmp_path, {"type": "mvdream", "path": str(tiny_multi_view)})
    runs = [sampled(method, f"seed={seed}") for seed in (0, 0, 1)]
    one, again, other = (load_posed_images(run / "views" / "views").picture.color for run in runs)
    assert torch.equal(one, again) and not torch.equal(one, other)


@pytest.mark.parametrize("sampler", ["euler-ancestral", "dpm-solver++"])
def test_a_stage_names_its_sampler(tiny_multi_view, tmp_path, sampler):
    method = write_method(tmp_path, {"type": "mvdream", "path": str(tiny_multi_view)})
    plain, other = (sampled(method, *words) for words in ((), (f"stages.views.sampling.sampler={sampler}",)))
    pictures = [load_posed_images(run / "views" / "views").picture.color for run in (plain, other)]
    assert not torch.equal(*pictures)


@pytest.mark.parametrize("batch", [1, 4])
def test_novel_views_continue_a_picture_which_may_be_one_of_them(tiny_zero123, picture, tmp_path, batch):
    settings = {**of_picture(picture), "include_reference": True, "batch": batch}
    run = sampled(write_method(tmp_path, {"type": "zero123", "path": str(tiny_zero123)}, **settings))
    images = load_posed_images(run / "views" / "views")
    assert images.names[-1] == "reference" and len(images) == 5
    reference = images[4:]
    assert reference.picture.alpha.unique().numel() > 1 and float(reference.cameras.azimuth_deg) == 0
    assert torch.allclose(reference.picture.color[0, 8, 8], torch.tensor([200, 30, 30]) / 255, atol=0.01)


def test_six_views_of_a_canvas_are_posed_pictures(tiny_zero123plus, picture, tmp_path):
    prior = {"type": "zero123plus", "path": str(tiny_zero123plus), "layout": "v1.2"}
    images = load_posed_images(sampled(write_method(tmp_path, prior, SIX, **of_picture(picture))) / "views" / "views")
    assert len(images) == 6 and images.cameras.elevation_deg.round().tolist() == [20, -10] * 3


def test_a_resumed_run_reads_the_views_that_a_stage_handed_on(tiny_multi_view, tmp_path):
    method = write_method(tmp_path, {"type": "mvdream", "path": str(tiny_multi_view)})
    run = RunFolder.create(str(tmp_path), "method", "subject", "{}\n")
    config = load_method(str(method)).method
    context, later = (StageContext("views", config, run, resume=False) for _ in range(2))
    stage = config.stages["views"].build()
    stage.run(context)
    stage.restore(later)
    assert torch.equal(context.artifacts.views.picture.rgba, later.artifacts.views.picture.rgba)
    assert torch.equal(context.artifacts.views.cameras.c2w, later.artifacts.views.cameras.c2w)


def test_a_killed_stage_begins_anew(tiny_multi_view, tmp_path):
    run = sampled(write_method(tmp_path, {"type": "mvdream", "path": str(tiny_multi_view)}))
    before = load_posed_images(run / "views" / "views").picture.color
    (run / "state.json").unlink()
    shutil.copy(run / "views" / "views" / "0000.png", run / "views" / "views" / "0009.png")
    (run / "views" / "views" / "cameras.json").unlink()
    done = CliRunner().invoke(app, ["resume", str(run)])
    assert done.exit_code == 0, done.output
    assert torch.equal(load_posed_images(run / "views" / "views").picture.color, before)
    assert not (run / "views" / "views" / "0009.png").exists()


def test_views_without_an_object_end_in_one_line_and_their_sheet_stays(tiny_multi_view, tmp_path):
    method = write_method(tmp_path, {"type": "mvdream", "path": str(tiny_multi_view)}, matting="border")
    done = CliRunner().invoke(app, ["run", str(method)])
    assert done.exit_code == 2
    (line,) = [line for line in done.output.splitlines() if line.startswith("error")]
    assert "stages.views.matting: view 1 of 4, from azimuth 0: the picture's border is not of one colour" in line
    assert "matting=rembg" in line and "another seed=" in line and "or leave it out (null)" in line
    assert len(list((tmp_path / "outputs").glob("**/views/views.png"))) == 1


def test_an_exact_prior_gives_views_that_the_border_cuts_out(tmp_path):
    prior = {"type": "oracle", "path": "nano-views", "dtype": "float32"}
    method = write_method(tmp_path, prior, {**RING, "azimuth_deg": [0, 90]}, matting="border")
    prompt = "a red mug"
    run = sampled(method, f"prompt={prompt}", "stages.views.sampling.steps=20")
    images = load_posed_images(run / "views" / "views")
    assert 0.05 < float((images.picture.alpha > 0.5).float().mean()) < 0.6
    assert float(images.picture.alpha[:, 0].max()) == 0
    assert (
        "Sampled views" in (run / "report.html").read_text() and "data:image/png" in (run / "report.html").read_text()
    )
    views = inspect_path(str(run)).facts["views"]
    assert views == ["views/views/0000.png", "views/views/0001.png", "views/views.png"]


def test_the_candidate_most_similar_to_the_prompt_is_taken(tiny_multi_view, tmp_path):
    settings = {"candidates": 3, "choose": {"scorer": "nano-clip"}}
    method = write_method(tmp_path, {"type": "mvdream", "path": str(tiny_multi_view)}, **settings)
    run = sampled(method, "seed=5")
    account = json.loads((run / "views" / "views.json").read_text())
    similarities = [one["similarity"] for one in account["candidates"]]
    assert account["chosen"] == similarities.index(max(similarities)) and len(set(similarities)) == 3
    images = load_posed_images(run / "views" / "views").picture.color
    clip = Clip("nano-clip")
    measured = float((clip.images(images) @ clip.texts(["a red mug"]).T).detach().mean())
    assert measured == pytest.approx(max(similarities), abs=0.01)  # rounded to bytes
    first = sampled(method, "seed=5", "stages.views.candidates=1")
    one = json.loads((first / "views" / "views.json").read_text())
    assert one == {"chosen": 0, "candidates": [{"similarity": None, "problem": None}]}


def test_without_a_prompt_candidates_are_compared_with_the_picture(tiny_zero123, picture, tmp_path):
    settings = {**of_picture(picture), "candidates": 2, "choose": {"scorer": "nano-clip"}}
    method = write_method(tmp_path, {"type": "zero123", "path": str(tiny_zero123)}, **settings)
    account = json.loads((sampled(method, 'prompt=""') / "views" / "views.json").read_text())
    assert all(-1 <= one["similarity"] <= 1 for one in account["candidates"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_so_in_one_line(number, tiny_multi_view, tmp_path, monkeypatch):
    def interrupt(*args: Any, **settings: Any) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr("maquette.stages.sample.sample_views", interrupt)
    done = CliRunner().invoke(
        app, ["run", str(write_method(tmp_path, {"type": "mvdream", "path": str(tiny_multi_view)}))]
    )
    assert done.exit_code == 128 + number and "Traceback" not in done.output
    assert done.output.splitlines()[-1].startswith("interrupted; saved: nothing yet; go on with: maquette resume ")


PATH = {"path": "org/model"}
REFUSED = {
    r"prior 'zero123' continues a picture, but the stage has no 'data'; give it data: {type: image": (
        {"prior": {"type": "zero123", **PATH}}
    ),
    r"score: sampling takes a noise prediction, but score 'csd' gives a direction; scores that predict noise: cfg, ": (
        {"score": "csd"}
    ),
    r"score 'perp-neg' needs front, interpolated, side, which prior 'mvdream' does not give": {"score": "perp-neg"},
    r"cameras: prior 'mvdream' denoises 4 views of an object together, and there are 3 cameras; list 4 cameras": (
        {"cameras": {"type": "list", "azimuth_deg": [0, 120, 240]}}
    ),
    r"prior 'controlnet' is conditioned on a rendering, and a sample stage has none": (
        {"prior": {"type": "controlnet", **PATH, "controlnet": "org/control", "control": "depth"}}
    ),
    r"prior 'instruct-pix2pix' edits pictures, and a sample stage has none": (
        {"prior": {"type": "instruct-pix2pix", **PATH}}
    ),
    r"include_reference needs a picture, but the stage has no 'data'": {"include_reference": True},
    r"among 2 candidates a CLIP model chooses: give its weights as choose.scorer": {"candidates": 2},
}  # fmt: skip


@pytest.mark.parametrize("reason", list(REFUSED))
def test_sampling_rules_refuse_parts_that_do_not_go_together(reason):
    stage = {"prior": {"type": "mvdream", **PATH}, "score": "cfg", "cameras": RING, **REFUSED[reason]}
    with pytest.raises(ConfigError, match=rf"^stages\.views.*{reason}"):
        check(Sample.Config, stage, "stages.views", lambda key: None)
