"""Novel views of a picture: Zero-1-to-3, Zero123-XL, Stable-Zero123, and pixel-space models with the same parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from maquette.annotations import Count, WeightsPath
from maquette.cameras.base import Cameras
from maquette.config.capabilities import ANY_CAMERA, REFERENCE, Capabilities, condition
from maquette.data.base import Reference
from maquette.diffusion.noise import schedule_of
from maquette.errors import ConfigError
from maquette.priors.autoencoder import trained_size
from maquette.priors.base import Request
from maquette.priors.diffusion_prior import DiffusionPrior, NetworkConfig, distinct_conditions
from maquette.priors.joint_views import check_groups, join_views
from maquette.priors.references import check_references, only_reference
from maquette.priors.zero123.conditions import PoseConvention, ReferencePairs, ReferenceView, ReferenceViews
from maquette.priors.zero123.ldm import LdmParts
from maquette.priors.zero123.parts import DiffusersParts, Parts
from maquette.registry import register
from maquette.weights.diffusers_folder import run_unet
from maquette.weights.loading import check_path
from maquette.weights.tensor_files import read_tensors

CHECKPOINTS = (".ckpt", ".pt", ".pth", ".safetensors")


@register("prior", "zero123")
class Zero123(DiffusionPrior):
    """A diffusion model of novel views of the object in a reference picture.

    For each camera, the model receives one context token, computed from the reference's CLIP embedding and the relative
    pose [d polar, sin d azimuth, cos d azimuth, d distance], and the reference concatenated to the noisy picture: its
    latents, not scaled to unit variance, or its pixels if there is no autoencoder. Text is ignored. A model of several
    views (the learner `joint-novel-views`) denoises `views` consecutive pictures of a batch together, at one timestep.

    The published models were trained on objects of the size of a unit cube at distances of 1.5 to 2.2 and a field of
    view of 49.1 degrees, over white; d distance is in scene units. docs/zero123.md has more.

    Source: Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), sec. 3.2 and its code; the fourth number of Stable-Zero123,
    the polar angle of the reference: threestudio, stable_zero123_guidance.py.
    """

    @dataclass(frozen=True)
    class Config(NetworkConfig):
        path: WeightsPath  # folder, plugin's weights, hub repository, or a checkpoint of the original code
        views: Count = 1  # pictures of an object that the model denoises together
        attention_slicing: bool = False  # less memory, slower
        pose: Literal["auto", "zero123", "stable-zero123"] = "auto"  # fourth number; auto: by "stable" in the name

        def __post_init__(self) -> None:
            if self.views > 1 and self.attention_slicing:
                raise ValueError("attention_slicing: a model of several views has one attention over all of them")
            if Path(self.path).suffix not in CHECKPOINTS:
                check_path(self.path)
            elif not Path(self.path).expanduser().is_file():
                raise ValueError(f"there is no checkpoint file {self.path!r}")

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        gives = frozenset(condition(name) for name in ("positive", "unconditional", "empty"))
        return Capabilities(needs=frozenset({REFERENCE}), gives=gives | {ANY_CAMERA}, views_per_object=config.views)

    def __init__(self, config: Config) -> None:
        self.config = config
        self.parts = _parts(config.path)
        schedule = schedule_of(self.parts.scheduler(), torch.device("cpu"))
        unet, vae = self.parts.unet(), self.parts.vae()
        super().__init__(config, schedule, unet, vae, trained_size(unet.config.sample_size, vae, config.size))
        if config.attention_slicing:
            self.unet.set_attention_slice("auto")
        _refuse_other_views(config, self.parts.views())
        if config.views > 1:
            join_views(self.unet, config.views)
        self.channels: int = self.unet.config.out_channels
        self.projection = self.parts.projection().to(self.device)
        self.pose: PoseConvention = _pose_of(config)

    @torch.no_grad()
    def condition(self, request: Request) -> ReferenceViews:
        """Encode the references; CLIP's image encoder is loaded for this call only.

        Raises:
            ConfigError: there is no reference, or one that is not square, or several for a model of several views.
        """
        check = only_reference if self.config.views > 1 else check_references
        check(request.references)
        rgb = torch.cat([self._resized(reference) for reference in request.references])
        embeddings = self.parts.image_encoder()(rgb).to(self.device)
        pictures = self.codec.unscale(self.codec.encode(rgb))
        views = [
            ReferenceView(embedding, picture, reference.cameras, reference.weight)
            for embedding, picture, reference in zip(embeddings, pictures, request.references, strict=True)
        ]
        return ReferenceViews(views, self.projection, self.pose)

    def _resized(self, reference: Reference) -> Float[Tensor, "1 size size 3"]:
        pixels = reference.picture.over(1.0).float().cpu().permute(0, 3, 1, 2)
        size = (self.size, self.size)
        if pixels.shape[-2:] != size:
            pixels = interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
        return pixels.permute(0, 2, 3, 1)

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, ReferencePairs],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        check_groups(len(noisy), self.config.views)
        each, index = distinct_conditions(conditions)
        owner = torch.cat([pairs.owner for pairs in each])
        pictures = torch.cat([pairs.picture for pairs in each])
        inputs = torch.cat([noisy[owner], pictures], dim=1)
        tokens = torch.cat([pairs.token for pairs in each])
        label = tokens[:, 0] if self.unet.config.class_embed_type else None  # modulates the blocks
        output = run_unet(self.unet, inputs, t[owner], tokens, self.dtype, class_labels=label)
        noises = self.noise_schedule.epsilon(output, noisy[owner], t[owner]).split([len(pairs.owner) for pairs in each])
        means = [
            torch.zeros_like(noisy).index_add_(0, pairs.owner, pairs.weight[:, None, None, None] * noise)
            for pairs, noise in zip(each, noises, strict=True)
        ]
        return {name: means[position] for name, position in index.items()}


def _parts(path: str) -> Parts:
    file = Path(path).expanduser()
    if file.suffix not in CHECKPOINTS:
        return DiffusersParts(path)
    return LdmParts(read_tensors(file, "prior.path"), file.name)


def _refuse_other_views(config: Zero123.Config, views: int) -> None:
    """Refuse a number of views that the model was not trained on."""
    if config.views != views:
        raise ConfigError(
            f"{config.path!r} was trained on {f'groups of {views} views' if views > 1 else 'single views'}, not on "
            f"{config.views}", key="prior.views", hint=f"views: {views}",
        )  # fmt: skip


def _pose_of(config: Zero123.Config) -> PoseConvention:
    if config.pose != "auto":
        return config.pose
    return "stable-zero123" if "stable" in Path(config.path).name.lower() else "zero123"
