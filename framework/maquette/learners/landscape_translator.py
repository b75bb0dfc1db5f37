"""A translator from label maps to pictures, trained on unposed photographs with their label maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Channels, Count, Fraction, NonNegative, Positive
from maquette.datasets.base import LabelledDataset, LabelledPictures
from maquette.images.sheets import picture_grid
from maquette.landscapes.classes import LABELS
from maquette.landscapes.translator import Translator, TranslatorSizes
from maquette.landscapes.views import label_colors
from maquette.learners.adversarial import (
    AdversarialLearner,
    divergence_from_normal,
    feature_matching,
    hinge_fake,
    hinge_generator,
    hinge_real,
)
from maquette.learners.discriminators import LabelledPatches
from maquette.objectives.terms import Terms
from maquette.randomness import Draws
from maquette.registry import register

SHEET_PICTURES = 16


@dataclass(frozen=True)
class Painted:
    """Pictures [B, 3, H, W] painted in a batch's own styles, with the styles' means and log-variances."""

    pictures: Tensor
    mean: Tensor
    log_variance: Tensor


@register("learner", "landscape-translator")
class LandscapeTranslatorLearner(AdversarialLearner[LabelledDataset, LabelledPictures, Painted]):
    """Trains a translator from label maps to pictures against patches of photographs.

    Source: Park et al. 2019 (SPADE, arXiv 1903.07291), sec. 3; feature matching, Wang et al. 2018 (pix2pixHD).
    """

    @dataclass(frozen=True)
    class Config:
        widths: tuple[Channels, ...] = (96, 64, 48, 24)  # see `TranslatorSizes`
        hidden: Channels = 24  # between labels and the modulation of a layer
        style: Channels = 16  # numbers of a style
        encoder_widths: tuple[Channels, ...] = (24, 48, 64, 64)  # of the style encoder
        opponent_widths: tuple[Channels, ...] = (48, 96, 96)  # see `LabelledPatches`
        opponent_rate: Positive = 1.0  # of the opponent's learning rate, as a multiple of the translator's
        l1_weight: NonNegative = 10.0  # of the mean absolute difference to the photograph
        adversarial_weight: NonNegative = 1.0
        matching_weight: NonNegative = 5.0  # of the opponent's features
        divergence_weight: NonNegative = 0.01  # of styles from a standard normal distribution
        average_decay: Fraction = 0.995  # of the weight average that is saved
        evaluated: Count = 256  # held-out photographs of the evaluation

        def __post_init__(self) -> None:
            _ = self.sizes  # raises ValueError

        @property
        def sizes(self) -> TranslatorSizes:
            """Sizes of the translator."""
            return TranslatorSizes(self.widths, self.hidden, self.style, self.encoder_widths)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: LabelledDataset) -> None:
        c = self.config
        self.set_networks(Translator(c.sizes), c.average_decay)
        self.set_opponent(LabelledPatches(c.opponent_widths), c.opponent_rate)

    def generate(self, batch: LabelledPictures, draws: Draws) -> Painted:
        mean, log_variance = self.networks.encode(planes(batch.images))
        style = mean + (0.5 * log_variance).exp() * draws.normal("style", *mean.shape).to(mean)
        noise = draws.normal("noise", *batch.labels.shape).to(mean)
        return Painted(self.networks(batch.labels, style, noise), mean, log_variance)

    def opponent_loss(self, output: Painted, batch: LabelledPictures, draws: Draws) -> Terms:
        real = self.opponent(planes(batch.images), batch.labels)
        fake = self.opponent(output.pictures.detach(), batch.labels)
        return Terms({"opponent": hinge_real(real.scores) + hinge_fake(fake.scores)})

    def generator_loss(self, output: Painted, batch: LabelledPictures, draws: Draws) -> Terms:
        c, photographs = self.config, planes(batch.images)
        fake = self.opponent(output.pictures, batch.labels)
        with torch.no_grad():
            real = self.opponent(photographs, batch.labels)
        return Terms(
            {
                "l1": c.l1_weight * (output.pictures - photographs).abs().mean(),
                "adversarial": c.adversarial_weight * hinge_generator(fake.scores),
                "matching": c.matching_weight * feature_matching(fake.features, real.features),
                "divergence": c.divergence_weight * divergence_from_normal(output.mean, output.log_variance),
            }
        )

    @torch.no_grad()
    def sample_sheet(self, dataset: LabelledDataset, draws: Draws) -> np.ndarray:
        """Columns of labels, photograph, the same labels in its style, in the next one's, and in a drawn one."""
        batch = dataset.sample(SHEET_PICTURES)
        labels = label_colors(batch.labels.cpu()).to(batch.images)
        columns = torch.stack([labels, batch.images, *self.in_three_styles(batch, draws)], dim=1)
        return picture_grid(columns.flatten(0, 1), columns=2 * columns.shape[1])

    def in_three_styles(self, batch: LabelledPictures, draws: Draws) -> list[Float[Tensor, "B H W 3"]]:
        """The averaged weights' pictures of labels: in their own style, in the next one's, and in a drawn one."""
        own = self.averaged.encode(planes(batch.images))[0]
        noise = draws.normal("noise", *batch.labels.shape).to(batch.images)
        styles = (own, own.roll(1, dims=0), draws.normal("style", *own.shape).to(batch.images))
        return [pixels(self.averaged(batch.labels, style, noise)) for style in styles]

    def in_own_style(self, batch: LabelledPictures, draws: Draws, stream: str) -> Float[Tensor, "B H W 3"]:
        """The averaged weights' pictures of labels in their own style."""
        own = self.averaged.encode(planes(batch.images))[0]
        noise = draws.normal(stream, *batch.labels.shape).to(batch.images)
        return pixels(self.averaged(batch.labels, own, noise))

    @torch.no_grad()
    def evaluate(self, dataset: LabelledDataset, draws: Draws, chunk: int = 32) -> dict[str, float]:
        """Of held-out photographs: the mean absolute difference to their labels in their style, beside each label's
        mean colour; and texture, the mean absolute step to the right-hand neighbour of one label."""
        painted, photographs, labels = [], [], []
        for start in range(0, self.config.evaluated, chunk):
            batch = dataset.held_out(draws.sub(f"{start}"), min(chunk, self.config.evaluated - start))
            painted.append(self.in_own_style(batch, draws, f"noise {start}"))
            photographs.append(batch.images)
            labels.append(batch.labels)
        pictures, truth, kinds = (torch.cat(parts) for parts in (painted, photographs, labels))
        return {
            "l1": float((pictures - truth).abs().mean()),
            "l1 of each label's mean colour": float((mean_colors(truth, kinds) - truth).abs().mean()),
            "texture": texture(pictures, kinds),
            "texture of photographs": texture(truth, kinds),
        }

    def save(self, folder: Path) -> None:
        self.averaged.save(folder)


def planes(images: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 H W"]:
    """Pictures with their channels first."""
    return images.permute(0, 3, 1, 2)


def pixels(pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W 3"]:
    """Pictures with their channels last."""
    return pictures.permute(0, 2, 3, 1)


def texture(images: Float[Tensor, "B H W 3"], labels: Tensor) -> float:
    """Mean absolute difference between horizontal neighbours of the same label."""
    same = labels[:, :, 1:] == labels[:, :, :-1]
    return float((images[:, :, 1:] - images[:, :, :-1]).abs().mean(dim=-1)[same].mean())


def label_means(images: Float[Tensor, "B H W 3"], labels: Tensor) -> Float[Tensor, "labels 3"]:
    """Mean colour of each label over all pictures; black for a label that is in none."""
    flat, colors = labels.flatten(), images.reshape(-1, 3)
    counts = torch.bincount(flat, minlength=len(LABELS)).clamp(min=1)
    return colors.new_zeros(len(LABELS), 3).index_add(0, flat, colors) / counts[:, None]


def mean_colors(images: Float[Tensor, "B H W 3"], labels: Tensor) -> Float[Tensor, "B H W 3"]:
    """Each pixel in the mean colour of its label over all pictures."""
    return label_means(images, labels)[labels]
