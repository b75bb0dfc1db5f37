"""Text embeddings of a CLIP text encoder are its last hidden states."""

import torch
from transformers import CLIPTextModel, CLIPTokenizer

from maquette.priors.text.clip_texts import clip_embeddings


def test_clip_texts_are_the_last_hidden_states_of_padded_texts(tiny_stable_diffusion):
    tokenizer = CLIPTokenizer.from_pretrained(tiny_stable_diffusion, subfolder="tokenizer")
    encoder = CLIPTextModel.from_pretrained(tiny_stable_diffusion, subfolder="text_encoder").float()
    ids = tokenizer(["a red mug", ""], padding="max_length", max_length=16, return_tensors="pt").input_ids
    embeddings = clip_embeddings(tokenizer, encoder, ["a red mug", ""])
    assert torch.equal(embeddings, encoder(ids)[0]) and embeddings.shape == (2, 16, 32)
    embeddings.sum().backward()
    assert encoder.get_input_embeddings().weight.grad.abs().sum() > 0
