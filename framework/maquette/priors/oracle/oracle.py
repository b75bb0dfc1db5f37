"""The closed-form optimal denoiser of a finite set of captioned, posed images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from maquette import plugins
from maquette.annotations import Count, Fraction, NonNegative, Pixels, Positive, WeightsPath
from maquette.cameras.base import Cameras
from maquette.config.capabilities import Capabilities, trainable_copy
from maquette.config.parts import NoiseSpec, part_field
from maquette.data.formats.captioned import CaptionedViews, load_captioned_views
from maquette.data.formats.frames import Reading
from maquette.diffusion.noise import TIMESTEPS, DiscreteSchedule, replaced_levels
from maquette.diffusion.noise.cosine import cosine_levels
from maquette.errors import ConfigError
from maquette.images.pixels import to_pixels, to_rgb
from maquette.kernels.devices import choose_device
from maquette.priors.base import Conditions, CopyKind, Prior, Request
from maquette.priors.oracle.camera_kernel import CameraKernel
from maquette.priors.oracle.closed_form import EXACT_DTYPES, expected_noise
from maquette.priors.oracle.closed_form_copies import LearnedPictures
from maquette.priors.oracle.conditions import CameraConditions, ReferenceConditions
from maquette.priors.oracle.posterior import log_likelihoods, responsibilities
from maquette.priors.oracle.probabilities import PictureProbabilities
from maquette.priors.text.conditions import TextConditions, ViewPrompts, text_capabilities
from maquette.registry import register
from maquette.weights.loading import weights_source


@register("prior", "oracle")
class Oracle(Prior):
    """The exact denoiser of a set of captioned, posed images: no network, no training, no error.

    With x_i the pictures in [-1, 1], p_i their probabilities under a condition and s^2 = sigma^2 + alpha^2 h^2,

        r_i ~ p_i exp(-|z - alpha x_i|^2 / (2 s^2)),    e = sigma (z - alpha sum_i r_i x_i) / s^2,

    the exact score of the set blurred by h (`spread`). A text selects objects, by exact caption, and with a view prompt
    also the view. A camera, with `cameras` set, selects the view. A reference picture, likewise, selects the object;
    cameras are then relative to that of the reference. `joint` consecutive pictures of a batch show one object.

    Conditions are probabilities [B, N] of the N pictures, float64. The pictures of the set are composited over
    `background`, and so must be the pictures to denoise. docs/oracle.md shows how to make a set.
    """

    @dataclass(frozen=True)
    class Config:
        path: WeightsPath = (
            ""  # folder of captioned views, or the name of a set that a plugin carries; "": passed to the class
        )
        size: Pixels | None = None  # height in pixels that pictures are resized to; None: not resized
        background: tuple[Fraction, Fraction, Fraction] = (1.0, 1.0, 1.0)  # RGB behind the pictures
        spread: NonNegative = (
            0.0  # h, standard deviation of a pixel about a picture of the set; black is -1, white is 1
        )
        front_bias: Fraction = 0.0  # q, fraction of pictures from the front; the others are evenly from all sides
        view_prompt_weight: Fraction = 1.0  # k, fraction of captions with a true view prompt; 0: it has no effect
        view_prompts: ViewPrompts = field(default_factory=ViewPrompts)
        cameras: CameraKernel | None = None  # precision of the camera condition; None: no camera condition
        reference_width: Positive = 0.05  # standard deviation of the RMS colour difference to a matching reference
        joint: Count = 1  # n, consecutive pictures of a batch that show one object
        noise: NoiseSpec = part_field("noise", "cosine")  # alpha and sigma of each timestep
        device: str = "auto"  # "cpu", "cuda", "cuda:1" ...
        dtype: Literal["float32", "float64"] = "float32"

        def __post_init__(self) -> None:
            if self.path and not Path(weights_source(self.path)).is_dir():
                available = ", ".join(plugins.weights()) or "none installed"
                raise ValueError(
                    f"there is no folder {self.path!r}, and no plugin carries a set of that name ({available})"
                )

    noise_schedule: DiscreteSchedule

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return text_capabilities().giving(trainable_copy("copy"))

    def __init__(self, config: Config, views: CaptionedViews | None = None) -> None:
        self.config = config
        self.device = choose_device(config.device)
        self.dtype = EXACT_DTYPES[config.dtype]
        levels = replaced_levels(cosine_levels(TIMESTEPS), config.noise)
        self.noise_schedule = DiscreteSchedule(levels.to(self.device, self.dtype))
        views = _read(config) if views is None else views
        rgb = views.images.picture.over(config.background)
        self.clean = to_pixels(rgb.to(self.device, self.dtype))
        self.probabilities = PictureProbabilities(
            views, config.view_prompts, config.view_prompt_weight, config.front_bias, self.device
        )

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 h w"]:
        pixels = to_pixels(rgb.to(self.device, self.dtype))
        size = tuple(self.clean.shape[2:])
        if tuple(pixels.shape[2:]) == size:
            return pixels
        return interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)

    def decode(self, latents: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B h w 3"]:
        return to_rgb(latents)

    def condition(self, request: Request) -> Conditions:
        """The probabilities of the set's pictures under a request.

        Raises:
            ConfigError: no object has such a caption.
        """
        c, probabilities = self.config, self.probabilities
        positive = probabilities.of_text(request.prompt, "prompt")
        negative = probabilities.of_text(request.negative_prompt, "negative_prompt")
        empty = probabilities.of_text("", "negative_prompt")
        if request.references and c.cameras is not None:
            reference = request.references[0]
            matches = self._matches(reference.picture.over(c.background), positive)
            return ReferenceConditions(probabilities, c.cameras, matches, reference.cameras, empty)
        if c.cameras is not None:
            return CameraConditions(probabilities, c.cameras, positive, negative, empty)
        by_view = {view: probabilities.of_text(request.prompt, "prompt", view) for view in c.view_prompts.names}
        return TextConditions(by_view, positive, negative, empty, c.view_prompts)

    def _matches(self, rgb: Float[Tensor, "1 H W 3"], probability: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        """p(picture | reference): normal in the RMS difference of colours."""
        difference = (self.clean - self.encode(rgb)).double() / 2
        squared_difference = difference.square().flatten(1).mean(dim=1)
        return (probability.log() - squared_difference / (2 * self.config.reference_width**2)).softmax(dim=0)

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B 3 h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, Float[Tensor, "B N"]],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B 3 h w"]]:
        c, probabilities = self.config, self.probabilities
        if len(noisy) % c.joint:
            raise ConfigError(
                f"{len(noisy)} pictures are not groups of {c.joint}", key="prior.joint",
                hint="let the cameras come in multiples of it",
            )  # fmt: skip
        alpha, sigma = self.noise_schedule.alpha_sigma(t.to(self.device))
        clean = self.clean.flatten(1)
        variance = sigma**2 + (alpha * c.spread) ** 2
        likelihood = log_likelihoods(noisy.flatten(1), clean, alpha.flatten(), variance.flatten())
        predictions = {}
        for name, probability in conditions.items():
            posterior = responsibilities(probability, likelihood, probabilities.owner, probabilities.count, c.joint)
            mean = (posterior.to(self.dtype) @ clean).view_as(noisy)
            predictions[name] = expected_noise(noisy, mean, alpha, sigma, c.spread)
        return predictions

    def trainable_copy(self, kind: CopyKind, rank: int) -> LearnedPictures:
        return LearnedPictures(self.noise_schedule, self.clean, self.config.spread)


def _read(config: Oracle.Config) -> CaptionedViews:
    if not config.path:
        available = ", ".join(plugins.weights())
        raise ConfigError(
            "an oracle needs pictures", key="prior.path",
            hint=f"give a folder of captioned views (docs/oracle.md) or what a plugin carries ({available})",
        )  # fmt: skip
    return load_captioned_views(weights_source(config.path), Reading(size=config.size))
