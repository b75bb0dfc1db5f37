"""A prompt over the encoder's limit loses its end, with a warning, and keeps its view words."""

import logging
import shutil
from itertools import combinations
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from maquette.cameras import orbit_cameras
from maquette.errors import ConfigError
from maquette.learners.base import word_tokenizer
from maquette.perception.tokens import cut_to_fit, most_tokens, text_limit
from maquette.priors.base import Request
from maquette.priors.text.conditions import ViewPrompts
from maquette.priors.text.deepfloyd_if import DeepFloydIF
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.priors.text.stable_diffusion_xl import StableDiffusionXL

LONG = "a red mug, " * 60
VIEWS = ("front", "side", "back", "overhead")


def load(path: Path, cls=StableDiffusion, **config):
    return cls(cls.Config(path=str(path), dtype="float32", device="cpu", **config))


def four_views():
    azimuths, elevations = torch.tensor([0.0, 90.0, 180.0, 0.0]), torch.tensor([0.0, 0.0, 0.0, 80.0])
    return orbit_cameras(azimuths, elevations, 3 * torch.ones(4), 40 * torch.ones(4), 16)


@pytest.mark.parametrize(
    ("model", "cls"),
    [
        ("tiny_pixel_model", StableDiffusion),
        ("tiny_stable_diffusion", StableDiffusion),
        ("tiny_xl", StableDiffusionXL),
        ("tiny_if", DeepFloydIF),
    ],
)
def test_views_of_a_long_prompt_differ(model, cls, request, caplog):
    with caplog.at_level(logging.WARNING):
        embeddings = load(request.getfixturevalue(model), cls).condition(Request(LONG)).at(four_views())["positive"]
    for one, other in combinations(range(4), 2):
        assert not torch.allclose(embeddings[one], embeddings[other], atol=1e-4), (VIEWS[one], VIEWS[other])
    assert caplog.text.count("prompt: the text encoder takes") == 1
    assert "characters are cut off; view words stay: '" in caplog.text


def test_a_cut_prompt_means_what_its_beginning_means(tiny_stable_diffusion):
    prior = load(tiny_stable_diffusion)  # 16 tokens, of which start, end and ", overhead view" letter by letter take 15
    long, cut = (prior.condition(Request(text)).at(four_views()) for text in (LONG, "a"))
    assert all(torch.equal(long[name], cut[name]) for name in long)


def test_a_prompt_that_fits_is_neither_cut_nor_warned_of(tiny_pixel_model, caplog):
    load(tiny_pixel_model).condition(Request("a red mug", "a mug"))
    assert "cut off" not in caplog.text


def test_a_long_negative_prompt_is_warned_of_too(tiny_stable_diffusion, caplog):
    load(tiny_stable_diffusion).condition(Request("a red mug", LONG))
    assert "negative_prompt: the text encoder takes 16 tokens, so its last 620 characters are cut off: '" in caplog.text


def test_without_view_words_the_prompt_has_all_the_room(tiny_stable_diffusion, caplog):
    long = load(tiny_stable_diffusion, view_dependent=False).condition(Request("a red mug , " * 3 + "a red mug"))
    cut = load(tiny_stable_diffusion, view_dependent=False).condition(Request("a red mug , " * 3 + "a red"))
    assert torch.equal(long.viewless, cut.viewless) and "cut off: 'mug'" in caplog.text


def test_view_words_in_front_stay_too(tiny_stable_diffusion):
    prior = load(tiny_stable_diffusion, view_prompts=ViewPrompts(template="{view} view, {prompt}"))
    embeddings = prior.condition(Request(LONG)).at(four_views())["positive"]
    assert not torch.allclose(embeddings[0], embeddings[2], atol=1e-4)


def test_view_words_that_leave_no_room_are_refused(tiny_stable_diffusion):
    prior = load(tiny_stable_diffusion, view_prompts=ViewPrompts(template="{prompt}, {view} view" + " a red mug" * 9))
    with pytest.raises(ConfigError, match=r"prior\.view_prompts\.template: the view words alone are longer than"):
        prior.condition(Request("a mug"))


def test_a_learned_word_counts_as_many_tokens_as_it_has_vectors(tiny_stable_diffusion, tmp_path, caplog):
    save_file({"<cat>": torch.randn(9, 32)}, tmp_path / "cat.safetensors")
    prior = load(tiny_stable_diffusion, embeddings=(str(tmp_path / "cat.safetensors"),), view_dependent=False)
    prior.condition(Request("a red <cat>"))
    assert "cut off" not in caplog.text
    prior.condition(Request("a red <cat> <cat>"))
    assert "cut off: '<cat>'" in caplog.text


LIMIT = text_limit(word_tokenizer(["a", "red", "mug"], 16), 16)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("a red mug", "a red mug"),
        ("a red mug " * 4 + "mug", "a red mug " * 4 + "mug"),
        ("a red mug " * 5, ("a red mug " * 4 + "a red")),
        ("mug, " * 10, "mug, mug, mug, mug, mug, mug, mug"),
        ("\u8336" * 50, "\u8336" * 4),
        ("x" * 50, "x" * 14),
    ],
)
def test_the_longest_beginning_of_whole_words_is_kept(text, cut):
    assert cut_to_fit(text, [LIMIT]) == cut


@pytest.mark.parametrize("text", ["a\x85b " * 30, "\U0001f600 " * 30, "\\${x} " * 30, " " * 300, "\n" * 40])
def test_whatever_is_cut_fits_with_its_frame(text):
    frames = [("", ", a red mug"), ("a mug of ", "")]
    cut = cut_to_fit(text, [LIMIT], frames)
    assert text.startswith(cut) and all(LIMIT.count(before + cut + after) <= 16 for before, after in frames)


def test_a_tokenizer_without_a_length_takes_that_of_its_encoder():
    tokenizer = word_tokenizer(["a"], 16)
    for odd in (int(1e30), "", {}, 0, -5, float("nan"), None):
        tokenizer.model_max_length = odd
        assert most_tokens(tokenizer, 77) == 77
    assert most_tokens(tokenizer, 77) == 77
    with pytest.raises(ConfigError, match="does not state how long a text may be; write model_max_length"):
        most_tokens(tokenizer)


def test_what_is_no_unicode_is_refused(tiny_stable_diffusion):
    prior = load(tiny_stable_diffusion)
    with pytest.raises(ConfigError, match=r"^prompt: character 5 of the text is '.udce9', which is no character"):
        prior.condition(Request("a caf\udce9"))
    with pytest.raises(ConfigError, match=r"^negative_prompt: character 0"):
        prior.condition(Request("a red mug", "\ud800"))


def test_a_tokenizer_of_another_model_is_refused(tiny_stable_diffusion, tmp_path):
    model = Path(shutil.copytree(tiny_stable_diffusion, tmp_path / "model"))
    word_tokenizer(["a", "teapot", "mug", "of", "glass", "red"], 16).save_pretrained(model / "tokenizer")
    with pytest.raises(ConfigError, match=r"prior\.path: the tokenizer has the token \d+, and the text encoder knows"):
        load(model).condition(Request("a teapot of glass"))
