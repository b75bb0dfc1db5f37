"""Shared ground: tiny models in real layouts, and a scratch cache so that tests leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

torch.set_num_threads(min(torch.get_num_threads(), 2))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAQUETTE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def tiny_pixel_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight pixel-space v-prediction model, saved by our own learner in DeepFloyd IF's layout."""
    from maquette.learners.text_to_image import TextToImage

    class Words:
        def words(self) -> list[str]:
            return ["a", "red", "mug", "view", "front", ","]

    torch.manual_seed(0)
    config = TextToImage.Config(size=16, widths=(16, 32), attention_levels=1, text_width=32, text_layers=1)
    learner = TextToImage(config)
    learner.build(Words())  # type: ignore[arg-type]
    folder = tmp_path_factory.mktemp("weights") / "tiny-pixel"
    learner.save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_multi_view(tmp_path_factory: pytest.TempPathFactory, tiny_pixel_model: Path) -> Path:
    """The pixel-space model as one of four views, saved by our own learner, that listens to cameras."""
    from maquette.learners.multi_view import MultiView

    class Groups:
        views = 4

    torch.manual_seed(0)
    learner = MultiView(MultiView.Config(start=str(tiny_pixel_model)))
    learner.build(Groups())  # type: ignore[arg-type]
    torch.nn.init.normal_(learner.average.module.unet.class_embedding.linear_2.weight)
    folder = tmp_path_factory.mktemp("weights") / "tiny-views"
    learner.save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight Stable Diffusion 1.x layout made with diffusers' and transformers' own classes."""
    from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from maquette.learners.base import word_tokenizer

    torch.manual_seed(0)
    tokenizer = word_tokenizer(["a", "red", "mug"], 16)
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
        max_position_embeddings=16, eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(block_out_channels=(16, 16), latent_channels=4, norm_num_groups=8,
                          down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2),
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(sample_size=16, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8,
                                  cross_attention_dim=32, attention_head_dim=4,
                                  down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                                  up_block_types=("CrossAttnUpBlock2D", "UpBlock2D")),
        scheduler=DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("weights") / "tiny-sd"
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_edits(tiny_stable_diffusion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Stable Diffusion with a UNet of eight input channels, in InstructPix2Pix's layout."""
    from diffusers import StableDiffusionInstructPix2PixPipeline, StableDiffusionPipeline, UNet2DConditionModel

    parts = StableDiffusionPipeline.from_pretrained(tiny_stable_diffusion, torch_dtype=torch.float32).components
    torch.manual_seed(1)
    parts["unet"] = UNet2DConditionModel.from_config({**parts["unet"].config, "in_channels": 8})
    del parts["image_encoder"]
    folder = tmp_path_factory.mktemp("weights") / "tiny-edits"
    StableDiffusionInstructPix2PixPipeline(**parts, requires_safety_checker=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_zero123(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight Zero123 in pixel space, in the layout of the diffusers ports."""
    from zero123_layouts import save_folder

    return save_folder(tmp_path_factory.mktemp("weights") / "tiny-zero123", latent=False)


@pytest.fixture
def tiny_run(tiny_pixel_model: Path, tmp_path: Path) -> list[str]:
    """Overrides that shrink `dreamfusion` to a few seconds on random weights."""
    return [
        f"prior.path={tiny_pixel_model}",
        f"output={tmp_path / 'outputs'}",
        "prior.dtype=float32",
        "stages.nerf.steps=8",
        "stages.nerf.cameras.size=16",
        "stages.nerf.geometry.levels=4",
        "stages.nerf.geometry.log2_table_size=10",
        "stages.nerf.geometry.finest_resolution=32",
        "stages.nerf.renderer.samples=24",
        "stages.nerf.renderer.occupancy_resolution=16",
        "stages.nerf.loop.preview_every=0",
        "stages.nerf.loop.log_every=1",
        "stages.nerf.loop.checkpoint_every=4",
        "stages.export.exporters.mesh={resolution: 24, texture_size: 64, max_faces: 500}",
        "stages.export.exporters.turntable={frames: 4, size: 32}",
        "stages.export.exporters.contact-sheet={size: 32}",
    ]
