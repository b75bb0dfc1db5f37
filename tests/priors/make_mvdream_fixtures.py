"""Makes fixtures/mvdream.json and fixtures/mvdream.safetensors with MVDream's own code, at a reduced size.

Not a test: it needs bytedance/MVDream and open_clip_torch 2.7.0 with their dependencies on the path.

    PYTHONPATH=MVDREAM:SITE python tests/priors/make_mvdream_fixtures.py
"""

import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch
from ldm_drawn import drawn
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer  # noqa: F401  before the stand-ins

TORCHVISION = ("", ".transforms", ".transforms.functional", ".ops", ".ops.misc")
for name in ("pkg_resources", *(f"torchvision{part}" for part in TORCHVISION)):
    sys.modules.setdefault(name, MagicMock())  # wanted for pictures and downloads, which do not come into this

from mvdream.camera_utils import get_camera, normalize_camera  # noqa: E402
from mvdream.ldm.interface import LatentDiffusionInterface  # noqa: E402
from mvdream.ldm.modules.encoders.modules import FrozenOpenCLIPEmbedder  # noqa: E402
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg  # noqa: E402

FOLDER = Path(__file__).parent / "fixtures"
REDUCED = {
    "unet": {"model_channels": 64, "attention_resolutions": [2, 1], "num_res_blocks": 1, "channel_mult": [1, 1, 2],
             "context_dim": 64},
    "vae": {"ch": 32, "ch_mult": [1, 2], "num_res_blocks": 1, "resolution": 16},
    "text": {"context_length": 16, "vocab_size": 700, "width": 64, "heads": 1, "layers": 3},
}  # fmt: skip
PUBLISHED = {
    "unet": {"model_channels": 320, "attention_resolutions": [4, 2, 1], "num_res_blocks": 2,
             "channel_mult": [1, 2, 4, 4], "context_dim": 1024},
    "vae": {"ch": 128, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "resolution": 256},
    "text": {"context_length": 77, "vocab_size": 49408, "width": 1024, "heads": 16, "layers": 24},
}  # fmt: skip


def built(sizes: dict, betas: np.ndarray | None = None) -> LatentDiffusionInterface:
    """The original model, as its `sd-v2-base.yaml` says but for the sizes."""
    unet = {"image_size": 32, "in_channels": 4, "out_channels": 4, "num_head_channels": 64, "transformer_depth": 1,
            "use_spatial_transformer": True, "use_linear_in_transformer": True, "use_checkpoint": False,
            "legacy": False, "camera_dim": 16, **sizes["unet"]}  # fmt: skip
    vae = {"double_z": True, "z_channels": 4, "in_channels": 3, "out_ch": 3, "attn_resolutions": [], "dropout": 0.0,
           **sizes["vae"]}  # fmt: skip
    model = LatentDiffusionInterface(
        unet_config={"target": "mvdream.ldm.modules.diffusionmodules.openaimodel.MultiViewUNetModel", "params": unet},
        first_stage_config={
            "target": "mvdream.ldm.models.autoencoder.AutoencoderKL",
            "params": {"embed_dim": 4, "ddconfig": vae, "lossconfig": {"target": "torch.nn.Identity"}},
        },
        cond_stage_config={"target": "torch.nn.Identity"},
        given_betas=betas,
    )
    text = FrozenOpenCLIPEmbedder.__new__(FrozenOpenCLIPEmbedder)
    torch.nn.Module.__init__(text)
    vision = CLIPVisionCfg(layers=1, width=64, patch_size=8, image_size=8)
    text.model = CLIP(sizes["text"]["width"], vision, CLIPTextCfg(**sizes["text"]))
    del text.model.visual
    text.layer_idx = 1  # penultimate
    model.cond_stage_model = text
    return model.eval()


def shapes(model: torch.nn.Module) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in model.state_dict().items()}


@torch.no_grad()
def made() -> dict[str, torch.Tensor]:
    """What the reduced model makes of some inputs."""
    model = built(REDUCED)
    schedule = {name: value for name, value in model.state_dict().items() if "." not in name}
    weights = {name: drawn(name, shape) for name, shape in shapes(model).items()}
    model.load_state_dict({**weights, **schedule})
    # one object from the front on, the other seen from 40 degrees above and turned; azimuth 90 is their +x
    camera = torch.cat([get_camera(4, 15, azimuth_start=90), get_camera(4, 40, azimuth_start=120)])
    picture = drawn("picture", [2, 3, 16, 16]).sigmoid()
    inputs = {
        "noisy": drawn("noisy", [8, 4, 8, 8]) * 16,
        "steps": torch.tensor([17] * 4 + [840] * 4),
        "tokens": (torch.arange(32) * 20).view(2, 16),
        "latents": drawn("latents", [1, 4, 8, 8]),
        "picture": picture,
    }
    text = model.cond_stage_model.encode_with_transformer(inputs["tokens"])
    condition = {"context": text.repeat_interleave(4, dim=0), "camera": normalize_camera(camera.clone())}
    outputs = {
        "text": text,
        "camera": condition["camera"],
        "noise": model.apply_model(inputs["noisy"], inputs["steps"], condition, num_frames=4),
        "encoded": model.encode_first_stage(picture * 2 - 1).mode() * model.scale_factor,
        "decoded": model.decode_first_stage(inputs["latents"]),
        "alphas_cumprod": model.noise_schedule.alphas_cumprod,
    }
    return {name: value.contiguous() for name, value in {**inputs, **outputs}.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with torch.device("meta"):
        published = shapes(built(PUBLISHED, betas=np.full(1000, 0.01)))
    lists = {"reduced": shapes(built(REDUCED)), "published": published}
    text = ",\n".join(
        f'"{kind}": {{\n' + ",\n".join(f"{json.dumps(name)}: {shape}" for name, shape in names.items()) + "\n}"
        for kind, names in lists.items()
    )
    (FOLDER / "mvdream.json").write_text(f"{{\n{text}\n}}\n")
    save_file(made(), FOLDER / "mvdream.safetensors")
