"""Makes fixtures/zero123plus.safetensors by running Zero123++'s own pipeline with a tiny model.

Not a test: it needs SUDO-AI-3D/zero123plus, of which PIPELINE is the file diffusers-support/pipeline.py.

    PYTHONPATH=tests python tests/priors/make_zero123plus_fixtures.py PIPELINE
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np
import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from PIL import Image
from safetensors.torch import save_file

from maquette.priors.zero123plus.zero123plus import reference_noise
from zero123plus_layouts import RAMP, REFERENCE, SIZE, tiny_parts

FILE = Path(__file__).parent / "fixtures" / "zero123plus.safetensors"
STEPS = 4


def original(pipeline: str) -> Any:
    """The pipeline's module."""
    for name in ("torchvision", "torchvision.transforms"):
        sys.modules.setdefault(name, MagicMock())  # wanted for depth maps, which do not come into this
    spec = importlib.util.spec_from_file_location("zero123plus_pipeline", pipeline)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@torch.no_grad()
def made(module: Any) -> dict[str, torch.Tensor]:
    """What the pipeline's UNet is given and gives at each step, and what comes out; its draws are ours."""
    parts = tiny_parts(latent=True)
    pipe = module.Zero123PlusPipeline(**parts, ramping_coefficients=RAMP)
    pipe.set_progress_bar_config(disable=True)
    pipe.prepare()
    whole, calls, noise_at = pipe.unet.forward, [], []

    def watched(sample: torch.Tensor, timestep: torch.Tensor, encoder_hidden_states: torch.Tensor, **told: Any) -> Any:
        noise_at[:] = [int(timestep)] * len(sample)
        output = whole(sample, timestep, encoder_hidden_states, **told)
        reference = told["cross_attention_kwargs"]["cond_lat"]
        calls.append((sample.clone(), timestep, encoder_hidden_states, reference, output[0]))
        return output

    picture = np.random.RandomState(0).randint(0, 256, (REFERENCE, REFERENCE, 3), dtype=np.uint8)
    torch.manual_seed(0)
    with (
        patch.object(pipe.unet, "forward", watched),
        patch.object(torch, "randn_like", lambda like: reference_noise(torch.tensor(noise_at), like.shape[1:])),
        patch.object(DiagonalGaussianDistribution, "sample", DiagonalGaussianDistribution.mode),
    ):
        sizes = {"width": 2 * SIZE, "height": 3 * SIZE}
        result = pipe(Image.fromarray(picture), num_inference_steps=STEPS, output_type="latent", **sizes)
    latents = module.scale_latents(result.images)  # as they were denoised
    vae, canvas = parts["vae"], torch.rand(1, 3, 3 * SIZE, 2 * SIZE, generator=torch.Generator().manual_seed(1))
    encoded = vae.encode(module.scale_image(canvas * 2 - 1)).latent_dist.mode() * vae.config.scaling_factor
    decoded = module.unscale_image(vae.decode(result.images / vae.config.scaling_factor).sample)
    samples, steps, contexts, references, velocities = zip(*calls, strict=True)
    found = {
        "picture": torch.from_numpy(picture),
        "noisy": torch.cat([sample[:1] for sample in samples]),
        "steps": torch.stack([step.long() for step in steps]),
        "context": contexts[0],  # without the picture, and with it
        "reference": references[0],
        "velocity": torch.stack(velocities),
        "canvas": canvas,
        "encoded": module.scale_latents(encoded),
        "latents": latents,
        "decoded": (decoded / 2 + 0.5).clamp(0, 1),
        "alphas_cumprod": parts["scheduler"].alphas_cumprod,
    }
    return {name: value.contiguous() for name, value in found.items()}


if __name__ == "__main__":
    save_file(made(original(sys.argv[1])), FILE)
