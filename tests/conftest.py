"""Shared ground: tiny models in real layouts, and a scratch cache so that tests leave nothing behind."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TRITON_INTERPRET", "1")  # before anything imports triton, which reads it once
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: threads that wait must not spin beside other tests
os.environ.setdefault("MAQUETTE_WARM_UP", "0")  # runs of tests compile what they need, in their own process

import jaxtyping
import pytest
import torch

from annotations import where_arrays_are
from tiny_clip import saved_clip
from tiny_run import tiny_words

for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:  # a shell's background job; tests send these signals
        signal.signal(_number, _handler)

gc.set_threshold(50_000, 20, 20)  # with Python's own, a tenth of the time goes into looking for cycles

PACKAGES = Path(__file__).parents[1] / "framework"


def _annotated_modules() -> list[str]:
    """Modules whose annotations are checked at every call: all but those that numba or triton compile."""
    modules = [path for path in sorted(PACKAGES.rglob("*.py")) if path.name != "__init__.py"]
    compiled = re.compile("numba|triton")
    checked = [path for path in modules if not compiled.search(path.read_text(encoding="utf-8"))]
    return [".".join(path.relative_to(PACKAGES).with_suffix("").parts) for path in checked]


jaxtyping.jaxtyped = where_arrays_are(jaxtyping.jaxtyped)
jaxtyping.install_import_hook(_annotated_modules(), "annotations.checked")  # before anything imports maquette


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests stay together, and so do those of all kernels: else two processes compile the same ones at once.

    Whichever process needs a kernel later reads it from numba's cache.
    """
    from xdist.scheduler import LoadFileScheduling

    class KernelsTogether(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder = "tests/kernels"
            return folder if nodeid.startswith(f"{folder}/") else super()._split_scope(nodeid)

    return KernelsTogether(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(autouse=True)
def _one_thread_and_one_seed() -> None:
    """Small tensors gain nothing from threads, and what a test draws from torch's own generator repeats."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _logger_as_before() -> Iterator[None]:
    """A command that a test calls in this process shows messages, which those after it did not ask for."""
    logger = logging.getLogger("maquette")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.fixture(scope="session", autouse=True)
def _ground_of_shared_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is made once for several tests is made before the two fixtures beside this one, and under the same rules."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAQUETTE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def _caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of new folders; `mktemp` would read the names of all earlier ones before each."""
    root = tmp_path_factory.mktemp("caches")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_cache(_caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = next(_caches)
    folder.mkdir()
    monkeypatch.setenv("MAQUETTE_CACHE", str(folder))


@pytest.fixture(scope="session")
def tiny_pixel_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight pixel-space v-prediction model, saved by our own learner in DeepFloyd IF's layout."""
    from maquette.learners.text_to_image import TextToImageLearner

    class Words:
        def words(self) -> list[str]:
            return ["a", "red", "mug", "view", "front", ","]

    torch.manual_seed(0)
    config = TextToImageLearner.Config(size=16, widths=(16, 32), attention_levels=1, text_width=32, text_layers=1)
    learner = TextToImageLearner(config)
    learner.build(Words())  # type: ignore[arg-type]
    folder = tmp_path_factory.mktemp("weights") / "tiny-pixel"
    learner.save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight CLIP of 8 x 8 pixels, for learners that are told what it sees."""
    return saved_clip(tmp_path_factory.mktemp("clip"), width=24, seed=0)


@pytest.fixture(scope="session")
def tiny_multi_view(tmp_path_factory: pytest.TempPathFactory, tiny_pixel_model: Path) -> Path:
    """The pixel-space model as one of four views, saved by our own learner, that listens to cameras."""
    from maquette.learners.multi_view import MultiViewLearner

    class Groups:
        views = 4

    torch.manual_seed(0)
    learner = MultiViewLearner(MultiViewLearner.Config(start=str(tiny_pixel_model)))
    learner.build(Groups())  # type: ignore[arg-type]
    torch.nn.init.normal_(learner.average.module.unet.class_embedding.linear_2.weight)
    folder = tmp_path_factory.mktemp("weights") / "tiny-views"
    learner.save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`save_stable_diffusion`."""
    from tiny_models import save_stable_diffusion

    return save_stable_diffusion(tmp_path_factory.mktemp("weights") / "tiny-sd")


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
def tiny_control(tiny_stable_diffusion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ControlNet for the tiny Stable Diffusion, whose closing layers are no longer zero."""
    from diffusers import ControlNetModel, UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(tiny_stable_diffusion, subfolder="unet", torch_dtype=torch.float32)
    torch.manual_seed(1)
    control = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(16, 32))
    for parameter in control.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    folder = tmp_path_factory.mktemp("weights") / "tiny-control"
    control.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight Stable Diffusion XL layout made with diffusers' and transformers' own classes."""
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    from maquette.learners.base import word_tokenizer

    torch.manual_seed(0)
    tokenizer = word_tokenizer(["a", "red", "mug"], 16)
    text = {
        "vocab_size": len(tokenizer), "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 16, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    pipeline = StableDiffusionXLPipeline(
        vae=AutoencoderKL(block_out_channels=(16, 16), latent_channels=4, norm_num_groups=8, scaling_factor=0.13025,
                          down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2),
        text_encoder=CLIPTextModel(CLIPTextConfig(hidden_size=16, **text)),
        text_encoder_2=CLIPTextModelWithProjection(
            CLIPTextConfig(hidden_size=24, projection_dim=20, hidden_act="gelu", **text)
        ),
        tokenizer=tokenizer, tokenizer_2=tokenizer,
        unet=UNet2DConditionModel(sample_size=16, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8,
                                  cross_attention_dim=40, attention_head_dim=(2, 4), use_linear_projection=True,
                                  transformer_layers_per_block=(1, 2), addition_embed_type="text_time",
                                  addition_time_embed_dim=8, projection_class_embeddings_input_dim=68,
                                  down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                                  up_block_types=("CrossAttnUpBlock2D", "UpBlock2D")),
        scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
                                         steps_offset=1, timestep_spacing="leading"),
        add_watermarker=False,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("weights") / "tiny-xl"
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_if(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight first stage of DeepFloyd IF with a T5 encoder, made with diffusers' and transformers' classes."""
    from diffusers import DDPMScheduler, IFPipeline, UNet2DConditionModel
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    torch.manual_seed(0)
    pieces = ["<pad>", "</s>", "<unk>", "▁", "▁a", "▁red", "▁mug", "▁front", "▁side", "▁view", ",", *"abcdefgh"]
    tokenizer = T5Tokenizer(vocab=[(piece, -float(len(pieces))) for piece in pieces], extra_ids=0)
    text = T5Config(vocab_size=len(pieces), d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4)
    pipeline = IFPipeline(
        tokenizer=tokenizer,
        text_encoder=T5EncoderModel(text),
        unet=UNet2DConditionModel(sample_size=16, in_channels=3, out_channels=6, block_out_channels=(16, 32),
                                  layers_per_block=1, norm_num_groups=8, attention_head_dim=8, act_fn="gelu",
                                  cross_attention_dim=32, encoder_hid_dim=32, addition_embed_type="text",
                                  addition_embed_type_num_heads=2, resnet_time_scale_shift="scale_shift",
                                  down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
                                  mid_block_type="UNetMidBlock2DSimpleCrossAttn",
                                  up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D")),
        scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", thresholding=True,
                                dynamic_thresholding_ratio=0.95, sample_max_value=1.5),
        safety_checker=None, feature_extractor=None, watermarker=None, requires_safety_checker=False,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("weights") / "tiny-if"
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_zero123(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight Zero123 in pixel space, in the layout of the diffusers ports."""
    from zero123_layouts import save_folder

    return save_folder(tmp_path_factory.mktemp("weights") / "tiny-zero123", latent=False)


@pytest.fixture(scope="session")
def tiny_zero123plus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight Zero123++ in pixel space, in the layout of the published ones."""
    from zero123plus_layouts import save_folder

    return save_folder(tmp_path_factory.mktemp("weights") / "tiny-zero123plus", latent=False)


@pytest.fixture
def tiny_run(tiny_pixel_model: Path, tmp_path: Path) -> list[str]:
    """Overrides that shrink `dreamfusion` to a second on random weights; nothing is logged, as curves take as long."""
    return tiny_words(tiny_pixel_model, tmp_path / "outputs")
