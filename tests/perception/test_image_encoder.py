"""The preprocessing of a CLIP's pictures, against transformers' own."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from maquette.perception.image_encoder import ClipPreprocessor, ImageEncoder

SMOOTH = functional.interpolate(torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)), 40, mode="bicubic")
PICTURE = SMOOTH.clamp(0, 1).permute(0, 2, 3, 1)


def test_pixels_of_the_encoders_size_are_only_normalised(tmp_path):
    settings = tmp_path / "preprocessor_config.json"
    settings.write_text(json.dumps({"image_mean": [0.5, 0.25, 0.0], "image_std": [0.5, 1.0, 2.0]}))
    pixels = ClipPreprocessor(40, settings)(PICTURE)
    expected = (PICTURE[0] - torch.tensor([0.5, 0.25, 0.0])) / torch.tensor([0.5, 1.0, 2.0])
    torch.testing.assert_close(pixels[0].permute(1, 2, 0), expected)


def test_a_saved_image_encoder_preprocessing_is_that_of_transformers(tmp_path):
    from transformers import CLIPImageProcessorPil

    ours = ClipPreprocessor(24)
    ours.save(tmp_path)
    theirs = CLIPImageProcessorPil.from_pretrained(tmp_path)
    expected = theirs(np.asarray(PICTURE[0] * 255).round().astype(np.uint8), return_tensors="pt").pixel_values
    torch.testing.assert_close(ours(PICTURE), expected, atol=0.05, rtol=0)  # theirs are bytes before and after
    again = ClipPreprocessor(24, tmp_path / ClipPreprocessor.FILE)
    assert again.mean == pytest.approx(ours.mean) and again.std == pytest.approx(ours.std)


def test_an_image_encoder_is_frozen_and_differentiable_in_its_pictures():
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPVisionConfig(image_size=8, patch_size=4, projection_dim=12, **sizes)
    encoder = ImageEncoder(CLIPVisionModelWithProjection(config), ClipPreprocessor(8))
    picture = PICTURE.clone().requires_grad_()
    encoder(picture).square().sum().backward()
    assert picture.grad.abs().sum() > 0 and not any(p.requires_grad for p in encoder.parameters())
    assert encoder.width == 12 and [state.shape for state in encoder.patches(PICTURE)] == [(1, 4, 16)] * 3
