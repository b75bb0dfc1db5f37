"""A reduced MVDream in each of its layouts, of tensors drawn by their names."""

import json
from pathlib import Path

import torch
from ldm_drawn import drawn
from safetensors.torch import load_file, save_file

from maquette.learners.base import word_tokenizer
from maquette.priors.mvdream.layouts import OPEN_CLIP, UNET, VAE
from maquette.weights import ldm, ldm_clip

FIXTURES = Path(__file__).parent / "fixtures"
SIZE = 16  # picture side; latents have half of it
SHAPES = json.loads((FIXTURES / "mvdream.json").read_text())
"""What the original's own code calls its tensors, at a reduced size and at the published one."""


def theirs() -> dict[str, torch.Tensor]:
    """Inputs, and what the original's own code makes of them with the drawn tensors."""
    return load_file(FIXTURES / "mvdream.safetensors")


def state() -> dict[str, torch.Tensor]:
    """The reduced model as one flat map."""
    return {name: drawn(name, shape) for name, shape in SHAPES["reduced"].items()}


def save_file_layout(folder: Path, tensors: dict[str, torch.Tensor]) -> dict[str, str]:
    """The original's layout; returns the settings of the prior."""
    word_tokenizer(["a", "red", "mug"], 16).save_pretrained(folder / "words" / "tokenizer")
    torch.save(tensors, folder / "reduced.pt")
    return {"path": str(folder / "reduced.pt"), "tokenizer": str(folder / "words")}


def save_port(folder: Path, tensors: dict[str, torch.Tensor]) -> dict[str, str]:
    """The layout of the port to diffusers; returns the settings of the prior."""
    from diffusers import DDIMScheduler

    parts = {
        "vae": ["diffusers", "AutoencoderKL"], "unet": ["mv_unet", "MultiViewUNetModel"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"], "image_encoder": [None, None],
    }  # fmt: skip
    unet = {"_class_name": "MultiViewUNetModel", "image_size": 8, "num_head_channels": 64, "camera_dim": 16}
    (folder / "unet").mkdir()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "MVDreamPipeline", **parts}))
    (folder / "unet" / "config.json").write_text(json.dumps(unet))
    save_file(ldm.tensors_with_prefix(tensors, UNET), folder / "unet" / "diffusion_pytorch_model.safetensors")
    ldm.vae(ldm.tensors_with_prefix(tensors, VAE), "").save_pretrained(folder / "vae")
    ldm_clip.open_clip(ldm.tensors_with_prefix(tensors, OPEN_CLIP), "").save_pretrained(folder / "text_encoder")
    word_tokenizer(["a", "red", "mug"], 16).save_pretrained(folder / "tokenizer")
    DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1, clip_sample=False,
        set_alpha_to_one=False,
    ).save_pretrained(folder / "scheduler")  # fmt: skip
    return {"path": str(folder)}
