"""Embeddings of a CLIP are transformers' own, scaled to length 1."""

import logging

import numpy as np
import pytest
import torch
from torch.nn import functional

from maquette import plugins
from maquette.errors import ConfigError
from maquette.perception.clip import Clip, load_clip

NAME = "nano-clip"
PICTURES = torch.rand(2, 64, 64, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clip(NAME)


def test_embeddings_of_pictures_and_texts_are_those_of_transformers(clip):
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    folder = plugins.weights()[NAME]
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = CLIPImageProcessorPil.from_pretrained(folder, do_rescale=False, do_resize=False)
    pixels = processor(images=[np.asarray(one) for one in PICTURES], return_tensors="pt").pixel_values
    ids = CLIPTokenizer.from_pretrained(folder)(["a red mug"], padding="max_length", max_length=24, return_tensors="pt")
    with torch.no_grad():
        image = model.visual_projection(model.vision_model(pixels).pooler_output)
        text = model.text_projection(model.text_model(ids.input_ids).pooler_output)
    torch.testing.assert_close(clip.images(PICTURES), functional.normalize(image, dim=-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(clip.texts(["a red mug"]), functional.normalize(text, dim=-1), atol=1e-5, rtol=0)


def test_a_text_that_a_clip_cannot_read_whole_is_warned_of(clip, caplog):
    caplog.set_level(logging.WARNING)
    clip.texts(["a red mug " * 30])
    assert "the text 'a red mug a red mug '...: the text encoder takes 24 tokens" in caplog.text


def test_a_clip_that_is_not_there_names_those_that_are():
    with pytest.raises(ConfigError, match=f"cannot load a CLIP model from './nowhere'.*{NAME}"):
        load_clip("./nowhere")
