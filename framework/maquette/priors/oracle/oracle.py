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
from maquette.cameras.base import Cameras
from maquette.config.capabilities import Capabilities, trainable_copy
from maquette.data.formats.captioned import CaptionedViews, load_captioned_views
from maquette.data.formats.frames import Reading
from maquette.diffusion.noise import DiscreteSchedule, Levels, alphas_cumprod
from maquette.errors import ConfigError
from maquette.images.pixels import to_pixels, to_rgb
from maquette.kernels.devices import choose_device
from maquette.priors.base import Conditions, CopyKind, Prior, Request
from maquette.priors.oracle.closed_form import DTYPES, implied_noise
from maquette.priors.oracle.closed_form_copies import LearnedPictures
from maquette.priors.oracle.conditions import CameraConditions, ReferenceConditions
from maquette.priors.oracle.odds import Odds
from maquette.priors.oracle.places import CameraKernel
from maquette.priors.oracle.posterior import log_likelihoods, responsibilities
from maquette.priors.text.conditions import TextConditions, ViewWords, text_capabilities
from maquette.registry import register
from maquette.weights.loading import weights_source


@register("prior", "oracle")
class Oracle(Prior):
    """The exact denoiser of a set of captioned, posed images: no network, no training, no error.

    With x_i the pictures in [-1, 1], p_i their odds under a condition and s^2 = sigma^2 + alpha^2 h^2,

        r_i ~ p_i exp(-|z - alpha x_i|^2 / (2 s^2)),    e = sigma (z - alpha sum_i r_i x_i) / s^2,

    the exact score of the set blurred by h (`spread`). What a text says: which objects are meant, by exact caption,
    and with its view words from which side. What a camera says, if the prior is told: which view. What a reference
    says, likewise: which object, seen from where; then cameras are relative to its own. Of `joint` consecutive pictures
    of a batch it knows that they show one object.

    Conditions are odds [B, N] of the N pictures, float64. Pictures are put over `background`, and so must be what is
    denoised. docs/oracle.md shows how to make a set.
    """

    @dataclass(frozen=True)
    class Config:
        path: str = ""  # folder of captioned views, or the name of a set that a plugin carries; "": given in Python
        size: int | None = None  # rows of the pictures; none: as they are
        background: tuple[float, float, float] = (1.0, 1.0, 1.0)  # RGB behind the pictures
        spread: float = 0.0  # h, standard deviation of a pixel about a picture of the set; black is -1, white is 1
        front_bias: float = 0.0  # share of pictures that are from the front outright, the rest evenly from anywhere
        view_words: float = 1.0  # how much view words help: share of captions whose words are true; 0: not at all
        views: ViewWords = field(default_factory=ViewWords)
        cameras: CameraKernel | None = None  # how exactly it is told cameras; none: it is not
        reference_width: float = 0.05  # root mean square difference of colours at which a reference still matches
        joint: int = 1  # how many consecutive pictures of a batch show one object
        levels: Levels = "cosine"  # of noise
        device: str = "auto"  # "cpu", "cuda", "cuda:1" ...
        dtype: Literal["float32", "float64"] = "float32"

        def __post_init__(self) -> None:
            for name in ("front_bias", "view_words"):
                if not 0 <= getattr(self, name) <= 1:
                    raise ValueError(f"{name} is a share from 0 to 1, not {getattr(self, name)}")
            if self.spread < 0 or self.reference_width <= 0 or self.joint < 1:
                raise ValueError("spread is at least 0, reference_width more than 0, joint at least 1")
            if self.path and not Path(weights_source(self.path)).is_dir():
                known = ", ".join(plugins.weights()) or "none installed"
                raise ValueError(
                    f"there is no folder {self.path!r}, and no plugin carries a set of that name ({known})"
                )

    noise_schedule: DiscreteSchedule

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return text_capabilities().giving(trainable_copy("copy"))

    def __init__(self, config: Config, views: CaptionedViews | None = None) -> None:
        self.config = config
        self.device = choose_device(config.device)
        self.dtype = DTYPES[config.dtype]
        self.noise_schedule = DiscreteSchedule(alphas_cumprod(config.levels).to(self.device, self.dtype))
        views = _read(config) if views is None else views
        rgb = views.images.picture.over(config.background)
        self.clean = to_pixels(rgb.to(self.device, self.dtype))
        self.odds = Odds(views, config.views, config.view_words, config.front_bias, self.device)

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 h w"]:
        pixels = to_pixels(rgb.to(self.device, self.dtype))
        size = tuple(self.clean.shape[2:])
        if tuple(pixels.shape[2:]) == size:
            return pixels
        return interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)

    def decode(self, latents: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B h w 3"]:
        return to_rgb(latents)

    def condition(self, request: Request) -> Conditions:
        """The odds of the pictures under a request.

        Raises:
            ConfigError: nothing is called so.
        """
        c, odds = self.config, self.odds
        positive = odds.of_text(request.prompt, "prompt")
        negative, empty = odds.of_text(request.negative_prompt, "negative_prompt"), odds.of_text("", "negative_prompt")
        if request.references and c.cameras is not None:
            reference = request.references[0]
            matches = self._matches(reference.picture.over(c.background), positive)
            return ReferenceConditions(odds, c.cameras, matches, reference.cameras, empty)
        if c.cameras is not None:
            return CameraConditions(odds, c.cameras, positive, negative, empty)
        by_view = {view: odds.of_text(request.prompt, "prompt", view) for view in c.views.names}
        return TextConditions(by_view, positive, negative, empty, c.views)

    def _matches(self, rgb: Float[Tensor, "1 H W 3"], prior: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        """p(i | reference): normal in the root mean square difference of colours."""
        difference = (self.clean - self.encode(rgb)).double() / 2
        apart = difference.square().flatten(1).mean(dim=1)
        return (prior.log() - apart / (2 * self.config.reference_width**2)).softmax(dim=0)

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B 3 h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, Float[Tensor, "B N"]],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B 3 h w"]]:
        c, odds = self.config, self.odds
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
        for name, prior in conditions.items():
            shares = responsibilities(prior, likelihood, odds.owner, odds.count, c.joint)
            mean = (shares.to(self.dtype) @ clean).view_as(noisy)
            predictions[name] = implied_noise(noisy, mean, alpha, sigma, c.spread)
        return predictions

    def trainable_copy(self, kind: CopyKind, rank: int) -> LearnedPictures:
        return LearnedPictures(self.noise_schedule, self.clean, self.config.spread)


def _read(config: Oracle.Config) -> CaptionedViews:
    if not config.path:
        known = ", ".join(plugins.weights())
        raise ConfigError(
            "an oracle needs pictures", key="prior.path",
            hint=f"give a folder of captioned views (docs/oracle.md) or what a plugin carries ({known})",
        )  # fmt: skip
    return load_captioned_views(weights_source(config.path), Reading(size=config.size))
