"""Small networks with random weights."""

import pytest
import torch


@pytest.fixture
def tiny_text_tower():
    """A tokenizer of three words and a CLIP text encoder for it."""
    from transformers import CLIPTextConfig, CLIPTextModel

    from maquette.learners.base import word_tokenizer

    torch.manual_seed(0)
    tokenizer = word_tokenizer(["a", "red", "mug"], 8)
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPTextConfig(vocab_size=len(tokenizer), max_position_embeddings=8, **sizes)
    return tokenizer, CLIPTextModel(config).eval()
