"""Pictures of each family of priors by one command, and what is wrong with it in one line."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from maquette.cli.app import app

FAST = ("--steps", "2", "prior.dtype=float32")


def prior_file(folder: Path, **settings: object) -> str:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({"prior": settings}))
    return str(path)


def sample(output: Path, *words: object) -> Path:
    """The folder of the pictures."""
    done = CliRunner().invoke(app, ["sample", *map(str, words), *FAST, "--output", str(output)])
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("done: ")]
    return Path(line.removeprefix("done: "))


def pictures(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.asarray(Image.open(path)) for path in folder.glob("*.png")}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = Image.new("RGBA", (32, 32))
    image.paste((200, 30, 30, 255), (8, 8, 24, 24))
    image.save(tmp_path / "red_rgba.png")
    return tmp_path / "red_rgba.png"


def test_a_text_prior_makes_one_picture_of_each_seed(tiny_pixel_model, tmp_path):
    prior = prior_file(tmp_path, type="stable-diffusion", path=str(tiny_pixel_model))
    made = pictures(sample(tmp_path, prior, "prompt=a red mug", "-n", 3, "--seed", 5))
    assert set(made) == {"seed-5", "seed-6", "seed-7", "sheet"} and made["seed-5"].shape == (16, 16, 3)
    again = pictures(sample(tmp_path / "again", prior, "prompt=a red mug", "--seed", 6))
    assert np.array_equal(again["seed-6"], made["seed-6"]) and not np.array_equal(made["seed-5"], made["seed-6"])


def test_a_prior_of_views_makes_all_of_them_of_each_seed(tiny_multi_view, tmp_path):
    prior = prior_file(tmp_path, type="mvdream", path=str(tiny_multi_view))
    made = pictures(sample(tmp_path, prior, "prompt=a red mug", "-n", 2))
    assert len(made) == 9 and {"seed-0-view-0", "seed-1-view-3"} <= made.keys()


@pytest.mark.parametrize(("words", "views"), [((), 4), (("-n", 6), 6)])
def test_a_prior_of_novel_views_makes_as_many_as_asked_for(tiny_zero123, picture, tmp_path, words, views):
    prior = prior_file(tmp_path, type="zero123", path=str(tiny_zero123))
    made = pictures(sample(tmp_path, prior, f"image={picture}", *words))
    assert {f"seed-0-view-{i}" for i in range(views)} | {"sheet"} == set(made)


def test_the_six_views_of_a_canvas_are_made_from_its_own_cameras(tiny_zero123plus, picture, tmp_path):
    prior = prior_file(tmp_path, type="zero123plus", path=str(tiny_zero123plus), layout="v1.1")
    assert len(pictures(sample(tmp_path, prior, f"image={picture}"))) == 7


def test_the_size_and_the_sampler_may_be_others(tiny_pixel_model, tmp_path):
    prior = prior_file(tmp_path, type="stable-diffusion", path=str(tiny_pixel_model))
    made = [
        pictures(sample(tmp_path / sampler, prior, "prompt=a red mug", "--size", 24, "--sampler", sampler))["seed-0"]
        for sampler in ("ddim", "euler-ancestral", "dpm-solver++")
    ]
    assert made[0].shape == (24, 24, 3) and len({one.tobytes() for one in made}) == 3


WRONG = {
    r"error: prompt: missing value; give it as prompt=": ("nano",),
    r"error: image: missing value; give it as image=": ("nano-zero123",),
    r"error: there is no prior called 'nanoo'; did you mean 'nano'": ("nanoo", "prompt=a mug"),
    r"error: sampling.sampler: expected 'ddim', 'euler-ancestral' or 'dpm-solver": (
        "nano", "prompt=a mug", "--sampler", "euler"
    ),
    r"error: score: sampling takes a noise prediction, but score 'csd' gives a direction": (
        "nano", "prompt=a mug", "score=csd"
    ),
    r"error: image: there is no picture .*nowhere.png; give the file of one": ("nano-zero123", "image=nowhere.png"),
    r"error: promt: unknown key \(override 'promt=...'\); did you mean 'prompt'": ("nano", "promt=a mug"),
}  # fmt: skip


@pytest.mark.parametrize("message", list(WRONG))
def test_what_is_wrong_is_one_line(message, tmp_path):
    done = CliRunner().invoke(app, ["sample", *WRONG[message]])
    lines = [line for line in done.output.splitlines() if line.startswith("error")]
    assert done.exit_code == 2 and len(lines) == 1
    assert re.search(message, lines[0]), lines[0]


def test_an_interrupt_leaves_one_line_and_no_pictures(tiny_pixel_model, tmp_path, monkeypatch):
    def interrupt(*args: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("maquette.stages.sample.sample_views", interrupt)
    prior = prior_file(tmp_path, type="stable-diffusion", path=str(tiny_pixel_model))
    done = CliRunner().invoke(app, ["sample", prior, "prompt=a mug", "--output", str(tmp_path / "out"), *FAST])
    assert done.exit_code == 130 and done.output.strip().splitlines() == ["stopped: no picture is written"]
    assert not (tmp_path / "out").exists()
