"""Learned words: the layouts they come in, and that a text encoder reads exactly their vectors."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

from maquette.errors import ConfigError
from maquette.priors.base import Request
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.priors.text.textual_inversion import add_embeddings, expand_tokens, read_embeddings
from views import front

WIDTH = 32
VECTORS = torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(0))


def condition(model: Path, prompt: str, *files: Path) -> torch.Tensor:
    prior = StableDiffusion(
        StableDiffusion.Config(
            path=str(model), dtype="float32", device="cpu", view_dependent=False, embeddings=tuple(map(str, files))
        )
    )
    return prior.condition(Request(prompt)).at(front())["positive"][0]


def parts(model: Path) -> tuple[CLIPTokenizer, CLIPTextModel]:
    return CLIPTokenizer.from_pretrained(model, subfolder="tokenizer"), CLIPTextModel.from_pretrained(
        model, subfolder="text_encoder", torch_dtype=torch.float32
    )


LAYOUTS = {
    "learned_embeds.bin": lambda path: torch.save({"<teddy>": VECTORS[0]}, path),
    "learned_embeds.safetensors": lambda path: save_file({"<teddy>": VECTORS[0].clone()}, path),
    "any.pt": lambda path: torch.save(
        {"string_to_token": {"*": 265}, "string_to_param": {"*": VECTORS[:1]}, "name": "<teddy>", "step": 7}, path
    ),
    "<teddy>.safetensors": lambda path: save_file({"emb_params": VECTORS[:1].clone()}, path),
}


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_each_layout_gives_the_token_and_its_vectors(name, tmp_path):
    LAYOUTS[name](tmp_path / name)
    found = read_embeddings(tmp_path / name)
    assert list(found) == ["<teddy>"] and torch.equal(found["<teddy>"], VECTORS[:1])


def test_the_encoder_reads_exactly_these_vectors(tiny_stable_diffusion):
    tokenizer, encoder = parts(tiny_stable_diffusion)
    words = add_embeddings(tokenizer, encoder, {"<teddy>": VECTORS})
    assert words == {"<teddy>": "<teddy> <teddy>_1"}
    ids = tokenizer(words["<teddy>"]).input_ids[1:-1]
    assert torch.equal(encoder.get_input_embeddings()(torch.tensor(ids)), VECTORS)


def test_a_prompt_with_the_token_means_what_its_vectors_mean(tiny_stable_diffusion, tmp_path):
    # the vectors of "red" under a new name: the texts are the same to the encoder
    tokenizer, encoder = parts(tiny_stable_diffusion)
    (red,) = tokenizer("red", add_special_tokens=False).input_ids
    save_file({"<crimson>": encoder.get_input_embeddings().weight[red].detach().clone()}, tmp_path / "a.safetensors")
    found = condition(tiny_stable_diffusion, "a <crimson> mug", tmp_path / "a.safetensors")
    torch.testing.assert_close(found, condition(tiny_stable_diffusion, "a red mug"))


def test_a_token_of_several_vectors_is_as_many_words(tiny_stable_diffusion, tmp_path):
    tokenizer, encoder = parts(tiny_stable_diffusion)
    both = tokenizer("red mug", add_special_tokens=False).input_ids
    torch.save({"<thing>": encoder.get_input_embeddings().weight[both].detach().clone()}, tmp_path / "thing.bin")
    found = condition(tiny_stable_diffusion, "a <thing>", tmp_path / "thing.bin")
    torch.testing.assert_close(found, condition(tiny_stable_diffusion, "a red mug"))


def test_of_tokens_that_begin_alike_the_longest_is_replaced_and_no_replacement_twice():
    words = {"mystyle": "mystyle mystyle_1", "mystyle-v2": "mystyle-v2 mystyle-v2_1"}
    assert expand_tokens(["a mystyle-v2 mug", "a mystyle mug"], words) == [
        "a mystyle-v2 mystyle-v2_1 mug", "a mystyle mystyle_1 mug",
    ]  # fmt: skip


def test_nothing_in_a_pickle_is_executed(tmp_path):
    class Harm:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harmed",))

    (tmp_path / "learned_embeds.bin").write_bytes(pickle.dumps({"<teddy>": Harm()}, protocol=2))
    with pytest.raises(ConfigError, match="holds more than tensors, and nothing in it is executed"):
        read_embeddings(tmp_path / "learned_embeds.bin")
    assert not (tmp_path / "harmed").exists()


def test_what_is_no_embedding_is_refused(tmp_path):
    save_file({"conv.weight": torch.ones(2, 2, 3, 3)}, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match=r"is no textual inversion: it holds conv\.weight"):
        read_embeddings(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("learned", "reason"),
    [
        ({"<teddy>": torch.ones(1, 7)}, "has 7 numbers, and this text encoder's have 32"),
        ({"red": torch.ones(1, WIDTH)}, "has the word 'red' already"),
    ],
)
def test_what_does_not_fit_the_encoder_is_refused(learned, reason, tiny_stable_diffusion):
    with pytest.raises(ConfigError, match=reason):
        add_embeddings(*parts(tiny_stable_diffusion), learned)


def test_a_file_that_is_not_there_is_named_before_anything_loads(tiny_stable_diffusion):
    with pytest.raises(ValueError, match=r"embeddings: there is no file nowhere\.bin"):
        condition(tiny_stable_diffusion, "a red mug", Path("nowhere.bin"))
