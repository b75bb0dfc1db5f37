"""A word is learned: its row alone, in a file that the prior reads, for the stages that follow."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from command_line import run_folder
from maquette.cameras import orbit_cameras
from maquette.config import load_method
from maquette.config.parts import PartSpec
from maquette.datasets.picture import PictureVariations
from maquette.errors import ConfigError
from maquette.learners.textual_inversion import TextualInversionLearner
from maquette.priors.base import Request
from maquette.priors.oracle.oracle import Oracle
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.randomness import Draws


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    across = np.linspace(-1, 1, 48)
    inside = across[:, None] ** 2 + across**2 < 0.8
    rgba = np.zeros((48, 48, 4), np.uint8)
    rgba[inside] = (230, 120, 20, 255)
    Image.fromarray(rgba).save(tmp_path / "ball_rgba.png")
    return tmp_path / "ball_rgba.png"


def spec(model: Path) -> PartSpec:
    config = StableDiffusion.Config(path=str(model), dtype="float32", device="cpu", view_dependent=False)
    return PartSpec("prior", "stable-diffusion", StableDiffusion, config)


def built(model: Path, ball: Path, **settings) -> tuple[TextualInversionLearner, PictureVariations]:
    dataset = PictureVariations(PictureVariations.Config(path=str(ball), size=16))
    dataset.prepare(torch.device("cpu"))
    settings = {"init": "mug", "templates": ("a {}", "a red {}"), **settings}
    learner = TextualInversionLearner(TextualInversionLearner.Config(prior=spec(model), **settings))
    learner.build(dataset)
    return learner, dataset


def train(learner: TextualInversionLearner, dataset: PictureVariations, steps: int = 12) -> None:
    optimiser = torch.optim.Adam(learner.parameters(), 0.1)
    for step in range(steps):
        optimiser.zero_grad()
        learner.loss(dataset.batch(Draws(0, step), 4), Draws(0, step)).total().backward()
        optimiser.step()


@pytest.mark.parametrize("model", ["tiny_pixel_model", "tiny_stable_diffusion"])
def test_the_error_falls_and_nothing_but_the_word_changes(model, ball, request):
    learner, dataset = built(request.getfixturevalue(model), ball)
    encoder = learner.word._encoder.module
    frozen = {**dict(encoder.named_parameters()), **dict(learner._prior.unet.named_parameters())}
    before = {name: value.clone() for name, value in frozen.items()}
    assert [tuple(value.shape) for value in learner.parameters()] == [(32,)]
    train(learner, dataset)
    figures = learner.evaluate(dataset, Draws(1, 0))
    assert figures["denoising error"] < figures["denoising error at first"]
    assert not torch.equal(learner.word.embedding, learner.word.start)
    assert all(torch.equal(value, before[name]) for name, value in frozen.items())


def test_the_word_begins_as_what_it_is_said_to_be(tiny_stable_diffusion, ball):
    (red,) = built(tiny_stable_diffusion, ball, init="red")[0].word.condition(["a <object> mug"])
    view = orbit_cameras(*(torch.ones(4, 1)), 8)
    prior = StableDiffusion(spec(tiny_stable_diffusion).config)
    torch.testing.assert_close(red, prior.condition(Request("a red mug")).at(view)["positive"][0])


def test_the_gradient_reaches_the_word_through_texts_that_name_it_alone(tiny_stable_diffusion, ball):
    word = built(tiny_stable_diffusion, ball)[0].word
    assert not word.condition(["a red mug"]).sum().isnan() and word.condition(["a <object>"]).requires_grad
    (gradient,) = torch.autograd.grad(word.condition(["a red mug"]).square().sum(), word.embedding)
    assert not gradient.any()


def test_the_saved_word_changes_predictions_of_prompts_that_use_it(tiny_stable_diffusion, ball, tmp_path):
    learner, dataset = built(tiny_stable_diffusion, ball)
    train(learner, dataset, 2)
    learner.save(tmp_path)
    file = tmp_path / "learned_embeds.safetensors"
    assert torch.equal(load_file(file)["<object>"], learner.word.embedding.detach())
    prior, view = StableDiffusion(spec(tiny_stable_diffusion).config), orbit_cameras(*(torch.ones(4, 1)), 8)
    noisy, steps = torch.randn(1, 4, 16, 16), torch.tensor([500])

    def predicted(prompt: str, *words: Path) -> torch.Tensor:
        positive = prior.condition(Request(prompt, words=words)).at(view)["positive"]
        return prior.predict(noisy, steps, {"x": positive}, view)["x"]

    assert torch.equal(predicted("a red mug", file), predicted("a red mug"))
    text = learner.word.condition(["a red <object>"]).detach()
    torch.testing.assert_close(predicted("a red <object>", file), prior.predict(noisy, steps, {"x": text}, view)["x"])
    assert not torch.allclose(predicted("a red <object>", file), predicted("a red mug", file))


def test_the_sheet_shows_the_picture_above_what_the_word_draws(tiny_stable_diffusion, ball):
    learner, dataset = built(tiny_stable_diffusion, ball, sample_steps=2)
    assert learner.sample_sheet(dataset, Draws(0, 0)).shape == (2 * 18, 4 * 18, 3)


def test_what_cannot_be_learned_is_refused_before_anything_loads(tiny_stable_diffusion):
    with pytest.raises(ValueError, match="prior 'oracle' cannot be taught a word"):
        TextualInversionLearner.Config(prior=PartSpec("prior", "oracle", Oracle, None))
    for wrong, reason in (({"token": "two words"}, "token is one word"), ({"templates": ("a photo",)}, "with {}")):
        with pytest.raises(ValueError, match=reason):
            TextualInversionLearner.Config(prior=spec(tiny_stable_diffusion), **wrong)


def test_a_template_that_would_be_cut_off_before_the_word_is_refused(tiny_stable_diffusion, ball):
    with pytest.raises(
        ConfigError, match=r"learner.templates: 'a close-up photo of a <object>' is longer than the 16 tok"
    ):
        built(tiny_stable_diffusion, ball, templates=("a {}", "a close-up photo of a {}"))


@pytest.fixture
def method(ball: Path, tiny_run: list[str], tmp_path: Path) -> Path:
    """DreamFusion in small, after a stage that learns what <object> is."""
    data = load_method("dreamfusion", ["prompt=a red <object>", *tiny_run]).plain
    learner = {"type": "textual-inversion", "prior": data["prior"], "init": "mug", "sample_steps": 2}
    learner["templates"] = ["a {}", "a red {}"]
    word = {
        "type": "train", "learner": learner, "dataset": {"type": "picture", "path": str(ball), "size": 16},
        "steps": 8, "batch": 2, "learning_rate": 0.1, "loop": {"checkpoint_every": 4, "log_every": 0},
    }  # fmt: skip
    stages = {"word": word, "nerf": data["stages"]["nerf"]}
    (tmp_path / "method.yaml").write_text(yaml.safe_dump({**data, "stages": stages}, sort_keys=False))
    return tmp_path / "method.yaml"


def outcome(folder: Path) -> dict[str, torch.Tensor]:
    return {
        **load_file(folder / "export" / "word" / "learned_embeds.safetensors"),
        **load_file(folder / "checkpoints" / "nerf" / "step-00000008" / "model.safetensors"),
    }


def same(first: Path, second: Path) -> bool:
    one, other = outcome(first), outcome(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_method_learns_the_word_first_and_is_resumed_to_the_same_bits(method, tmp_path):
    whole = run_folder("run", str(method))
    in_the_word = shutil.copytree(whole, tmp_path / "in-the-word")
    (in_the_word / "state.json").unlink()
    for gone in ("export/word", "checkpoints/word/step-00000008", "checkpoints/nerf"):
        shutil.rmtree(in_the_word / gone)
    after_it = shutil.copytree(whole, tmp_path / "after-it")
    (after_it / "state.json").write_text(json.dumps({"finished": ["word"]}))
    shutil.rmtree(after_it / "checkpoints" / "nerf")
    for cut in (in_the_word, after_it):
        run_folder("resume", str(cut))
        assert same(whole, cut)


def test_a_later_stage_is_asked_for_the_word_that_was_learned(method):
    learned, as_it_began = (
        outcome(run_folder("run", str(method), f"stages.word.learning_rate={rate}")) for rate in (0.1, 0.0)
    )
    differing = {name for name in learned if not torch.equal(learned[name], as_it_began[name])}
    assert "<object>" in differing and any(name.startswith("scene.geometry") for name in differing)
