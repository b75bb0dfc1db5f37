"""A new word is one trainable vector in a text encoder that is frozen otherwise."""

import torch
from transformers import CLIPTextModel, CLIPTokenizer

from maquette.priors.text.clip_texts import clip_embeddings
from maquette.priors.text.new_words import NewWord


def test_a_new_word_begins_as_what_it_is_said_to_mean_and_alone_learns(tiny_stable_diffusion):
    tokenizer = CLIPTokenizer.from_pretrained(tiny_stable_diffusion, subfolder="tokenizer")
    encoder = CLIPTextModel.from_pretrained(tiny_stable_diffusion, subfolder="text_encoder").float()
    encoder.requires_grad_(False)
    with torch.no_grad():
        meant, mug = clip_embeddings(tokenizer, encoder, ["a mug", "red"])
    word = NewWord(tokenizer, encoder, "<mine>", "mug", network=lambda noisy, t, text: text[..., 0].mean() * noisy)
    torch.testing.assert_close(word.condition(["a <mine>"])[0], meant)
    assert [name for name, _ in word.named_parameters()] == ["embedding"]
    before = word.condition(["red"])
    torch.testing.assert_close(before[0], mug)
    noisy, t = torch.ones(1, 1, 2, 2), torch.zeros(1, dtype=torch.int64)
    word(noisy, t, word.condition(["a <mine>"])).sum().backward()
    assert word.embedding.grad.abs().sum() > 0
    with torch.no_grad():
        word.embedding += 1.0
    assert not torch.allclose(word.condition(["a <mine>"])[0], meant)
    torch.testing.assert_close(word.condition(["red"]), before)
