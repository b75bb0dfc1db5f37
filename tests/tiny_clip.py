"""A random-weight CLIP of 8 x 8 pixels."""

from __future__ import annotations

from pathlib import Path

import torch


def saved_clip(folder: Path, width: int, seed: int) -> Path:
    """Save one whose embeddings have `width` numbers; returns the folder."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(seed)
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision, text = {**tower, "image_size": 8, "patch_size": 4}, {**tower, "vocab_size": 32}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=width)).save_pretrained(folder)
    return folder
