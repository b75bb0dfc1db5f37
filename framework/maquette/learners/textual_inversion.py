"""Textual inversion: a new token for the object in an image, of which only the embedding is trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from maquette.annotations import Count
from maquette.cameras.base import orbit_cameras
from maquette.config.capabilities import NEW_WORD
from maquette.config.parts import PriorSpec
from maquette.datasets.base import PictureDataset
from maquette.diffusion.ddim import sample
from maquette.errors import ConfigError
from maquette.images.resampling import downsample
from maquette.images.sheets import picture_grid
from maquette.learners.base import Learner
from maquette.objectives.terms import Terms
from maquette.priors.base import Prior, TrainableWord
from maquette.randomness import Draws
from maquette.registry import register
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from maquette.weights.loading import LEARNED_WORDS

SHEET_IMAGES = 4  # columns of the sample sheet: variations of the image above, samples below
EVALUATED_BATCHES = (8, 4)  # batches of the evaluation, and images per batch


@register("learner", "textual-inversion")
class TextualInversionLearner(Learner[PictureDataset, Tensor]):
    """Optimises the embedding of a new token so that a frozen text prior denoises images of one object with it.

    The embedding is saved as `learned_embeds.safetensors`. The text priors of all later stages of the method load it,
    and prompts may contain the token; other runs name the file: `prior.embeddings=[FILE]`.

    Source: Gal et al. 2022 (arXiv 2208.01618), sec. 3; for 3D from one picture, Melas-Kyriazi et al. 2023 (RealFusion,
    arXiv 2302.10663), sec. 3.2, and Qian et al. 2023 (Magic123, arXiv 2306.17843), sec. 3.2.
    """

    @dataclass(frozen=True)
    class Config:
        prior: PriorSpec  # frozen prior that the token is trained for
        token: str = "<object>"  # spelling of the token in prompts
        init: str = ""  # words that the embedding is initialised from, such as "teddy bear"; "": the prior's default
        templates: tuple[str, ...] = (  # captions of the training images, {} for the token; from the paper's list
            "a photo of a {}",
            "a rendering of a {}",
            "a good photo of a {}",
            "a close-up photo of a {}",
            "a photo of one {}",
            "a photo of the clean {}",
        )
        sample_steps: Count = 25  # sampler steps of the sample sheet
        sample_scale: float = 5.0  # guidance scale of the sample sheet

        def __post_init__(self) -> None:
            if NEW_WORD not in self.prior.capabilities.gives:
                raise ValueError(f"prior {self.prior.name!r} cannot be taught a word; stable-diffusion can")
            if not self.token.strip() or " " in self.token:
                raise ValueError(f"token is one word, such as <object>, not {self.token!r}")
            if not self.templates or not all("{}" in template for template in self.templates):
                raise ValueError("templates are texts with {} where the token goes")

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: PictureDataset) -> None:
        self._prior: Prior = self.config.prior.build()
        self.word: TrainableWord = self._prior.trainable_word(self.config.token, self.config.init)
        try:
            with torch.no_grad():
                self.word.condition(self._captions(range(len(self.config.templates))))
        except ConfigError as problem:
            raise ConfigError(problem.message, key="learner.templates", hint=problem.hint) from None

    def _captions(self, templates: Iterable[int]) -> list[str]:
        return [self.config.templates[i].replace("{}", self.word.token) for i in templates]

    def loss(self, batch: Float[Tensor, "B H W 3"], draws: Draws) -> Terms:
        prior, templates = self._prior, self.config.templates
        with torch.no_grad():
            clean = prior.encode(batch)
        schedule = prior.noise_schedule
        t = draws.integers("timestep", 0, schedule.timesteps - 1, len(clean)).to(clean.device)
        noise = draws.normal("noise", *clean.shape).to(clean)
        alpha, sigma = schedule.alpha_sigma(t)
        template_indices = draws.integers("template", 0, len(templates) - 1, len(clean)).tolist()
        condition = self.word.condition(self._captions(template_indices))
        output = self.word(alpha * clean + sigma * noise, t, condition)
        return Terms({"denoising": (output - schedule.target(clean, noise, t)).square().mean()})

    @torch.no_grad()
    def sample_sheet(self, dataset: PictureDataset, draws: Draws) -> np.ndarray:
        """Variations of the training image above, the prior's samples for the token below."""
        prior, one = self._prior, torch.ones(SHEET_IMAGES)
        variations = dataset.batch(draws.sub("seen"), SHEET_IMAGES)
        latents = prior.encode(variations)
        texts = {"positive": self.config.templates[0].replace("{}", self.word.token), "unconditional": ""}
        conditions = {name: self.word.condition([text] * SHEET_IMAGES) for name, text in texts.items()}
        cameras = orbit_cameras(0 * one, 0 * one, one, one, variations.shape[1])
        denoiser = Denoiser(prior, CFG(CFG.Config(scale=self.config.sample_scale)), conditions, cameras)
        noise, last = draws.normal("sample", *latents.shape).to(latents), prior.noise_schedule.timesteps - 1
        samples = prior.decode(sample(denoiser, noise, last, self.config.sample_steps)).to(variations)
        if samples.shape[1:3] != variations.shape[1:3]:
            samples = downsample(samples, (variations.shape[1], variations.shape[2]))
        return picture_grid(torch.cat([variations, samples]), columns=SHEET_IMAGES)

    @torch.no_grad()
    def evaluate(self, dataset: PictureDataset, draws: Draws) -> dict[str, float]:
        """Denoising error with the trained and with the initial embedding, under the same noise."""
        batches, size = EVALUATED_BATCHES
        pictures = [dataset.batch(draws.sub(f"picture {i}"), size) for i in range(batches)]

        def error() -> float:
            losses = [self.loss(picture, draws.sub(str(i))).total() for i, picture in enumerate(pictures)]
            return float(torch.stack(losses).mean())

        learned, before = error(), self.word.embedding.clone()
        try:
            self.word.embedding.copy_(self.word.start)
            return {"denoising error": learned, "denoising error at first": error()}
        finally:
            self.word.embedding.copy_(before)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({self.word.token: self.word.embedding.detach().float().cpu().contiguous()}, folder / LEARNED_WORDS)
