"""Zero123++: six views of the object in a picture, denoised together as one tiled picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.annotations import Fraction
from maquette.cameras.base import Cameras
from maquette.cameras.six_views import ELEVATIONS_DEG, Layout, six_cameras
from maquette.config.capabilities import REFERENCE, Capabilities, condition
from maquette.diffusion.noise import schedule_of
from maquette.errors import ConfigError
from maquette.priors.autoencoder import picture_size
from maquette.priors.base import Request
from maquette.priors.diffusion_prior import DiffusionPrior, NetworkConfig, predict_each
from maquette.priors.references import only_reference
from maquette.priors.zero123plus.canvas import ROWS, VIEWS, CanvasCodec, check_groups, common_timesteps, tile, untile
from maquette.priors.zero123plus.conditions import ObjectConditioning, SixViews
from maquette.priors.zero123plus.parts import Parts
from maquette.priors.zero123plus.reference_attention import enable_reference_attention, run_unet_with_reference
from maquette.randomness import Draws
from maquette.registry import register

PUBLISHED_SIZE = 320  # side of a view in pixels; not in the published files


@register("prior", "zero123plus")
class Zero123Plus(DiffusionPrior):
    """A diffusion model of six fixed views of the object in a reference picture.

    Six consecutive pictures of a batch are the views of one object at one timestep. They are tiled to one picture of
    three rows and two columns, which is encoded, denoised and decoded. Azimuths are relative to the reference's,
    elevations are absolute. The UNet is conditioned on the noisy reference through reference attention, and on its CLIP
    embedding, added to that of the empty text. Text is ignored.

    The noise on the reference depends on the timestep alone, so that equal arguments give equal predictions.
    docs/zero123plus.md has more.

    Source: Shi et al. 2023 (Zero123++, arXiv 2310.15110), sec. 2, and its pipeline.
    """

    @dataclass(frozen=True)
    class Config(NetworkConfig):
        layout: Literal["auto", "v1.1", "v1.2"] = "auto"  # version of the six cameras; auto: from the name of the path
        background: Fraction = 127 / 255  # grey that a reference with alpha is composited over

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.layout == "auto" and not _named(self.path):
                raise ValueError(
                    f"the name of {self.path!r} does not say which six cameras it has; set layout: v1.1 (elevations "
                    "30 and -20) or v1.2 (20 and -10)"
                )

    views = VIEWS

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        gives = frozenset(condition(name) for name in ("positive", "unconditional", "empty"))
        return Capabilities(needs=frozenset({REFERENCE}), gives=gives, views_per_object=VIEWS)

    def __init__(self, config: Config) -> None:
        self.config = config
        self.layout: Layout = _named(config.path)[0] if config.layout == "auto" else config.layout
        self.parts = Parts(config.path)
        weights = self.parts.weights
        schedule, unet, vae = schedule_of(weights.scheduler(), torch.device("cpu")), weights.unet(), weights.vae()
        super().__init__(config, schedule, unet, vae, _view_size(unet.config.sample_size, vae))
        enable_reference_attention(self.unet)
        self._canvas_codec = CanvasCodec(self.codec)

    def cameras(self, reference: Cameras, distance: float) -> Cameras:
        """The six cameras for a reference with this camera.

        Args:
            reference: camera of the reference.
            distance: scene units; the model is not conditioned on it.
        """
        return six_cameras(self.layout, float(reference.azimuth_deg), distance, self.size)

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        return self._canvas_codec.encode(rgb)

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        return self._canvas_codec.decode(latents)

    @torch.no_grad()
    def condition(self, request: Request) -> SixViews:
        """Encode the reference; both CLIP encoders are loaded for this call only.

        Raises:
            ConfigError: there is no reference, or more than one, or one that is not square.
        """
        reference = only_reference(request.references)
        rgb = reference.picture.over(self.config.background).float().cpu()
        pixels = self.parts.reference_preprocessor()(rgb).to(self.device)
        text, ramp = self.parts.empty_text(), self.parts.ramp()
        if len(text) != len(ramp):
            raise ConfigError(
                f"{self.config.path!r} has {len(ramp)} ramping coefficients for {len(text)} tokens", key="prior.path"
            )
        context = text + ramp * self.parts.image_encoder()(rgb)
        positive, unconditional = (
            ObjectConditioning(embedding.to(self.device), self.codec.unscale(self.codec.encode_pixels(image))[0])
            for embedding, image in ((context, pixels), (text, torch.zeros_like(pixels)))
        )
        return SixViews(positive, unconditional, self.layout, float(reference.cameras.azimuth_deg))

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, ObjectConditioning],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        check_groups(len(noisy))
        canvas, object_t = tile(noisy), common_timesteps(t)

        def network(canvases: Tensor, all_t: Tensor, each: list[ObjectConditioning]) -> Tensor:
            pictures = torch.stack([one.picture for one in each for _ in range(len(canvas))])
            context = torch.stack([one.context for one in each for _ in range(len(canvas))])
            noise = reference_noise(all_t, pictures.shape[1:]).to(pictures)
            reference = self.noise_schedule.add(pictures, noise, all_t)
            return run_unet_with_reference(self.unet, canvases, reference, all_t, context, self.dtype)

        noises = predict_each(conditions, canvas, object_t, self.noise_schedule, network)
        return {name: untile(noise) for name, noise in noises.items()}


def reference_noise(t: Int[Tensor, " B"], shape: torch.Size) -> Float[Tensor, "B C h w"]:
    """The noise that is added to a reference at each timestep."""
    return torch.stack([Draws(0, step, "zero123plus/").normal("reference", *shape) for step in t.tolist()])


def _named(path: str) -> list[Layout]:
    """The layouts named in the last part of a path."""
    return [layout for layout in ELEVATIONS_DEG if layout in Path(path).name]


def _view_size(sample_size: Any, vae: Any) -> int:
    """Side of a view in pixels, from the height and width in a UNet's config, else the published one."""
    return picture_size(sample_size[0] // ROWS, vae) if isinstance(sample_size, (list, tuple)) else PUBLISHED_SIZE
