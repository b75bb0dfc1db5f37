"""A generator of landscapes, trained by pseudo truth of a translator and against patches of photographs."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Channels, Count, Fraction, NonNegative, Pixels, Positive, WeightsPath
from maquette.datasets.base import LabelledPictures, WorldDataset
from maquette.errors import ConfigError
from maquette.images.sheets import picture_grid
from maquette.landscapes.features import FeatureEncoder, perceptual_distance
from maquette.landscapes.generator import Generator, GeneratorSizes
from maquette.landscapes.styles import StyleDistribution
from maquette.landscapes.translator import Translator
from maquette.landscapes.views import LandscapeView, draw_camera, label_colors
from maquette.landscapes.world import Landscape
from maquette.learners.adversarial import (
    AdversarialLearner,
    divergence_from_normal,
    feature_matching,
    hinge_fake,
    hinge_generator,
    hinge_real,
)
from maquette.learners.discriminators import LabelledPatches
from maquette.learners.landscape_translator import pixels, planes, texture
from maquette.objectives.terms import Terms
from maquette.randomness import Draws
from maquette.registry import register

SHEET_VIEWS = 16
STYLED = 256  # photographs whose styles say how styles are drawn


@dataclass(frozen=True)
class Rendered:
    """Crops of a batch: rendered [B, 3, H, W], pseudo truth, labels [B, H, W], and the styles' distributions."""

    pictures: Tensor
    pseudo: Tensor
    labels: Tensor
    mean: Tensor
    log_variance: Tensor


@register("learner", "landscape")
class LandscapeLearner(AdversarialLearner[WorldDataset, LabelledPictures, Rendered]):
    """Trains a generator of landscapes on unposed photographs alone.

    Cameras are drawn over training worlds; a translator paints the labels that they meet, in the style of a photograph
    of another world. The picture is pulled to that pseudo truth where both are blurred, so that it rules colour, and an
    opponent that sees labels compares patches with photographs and with pseudo truth. With an encoder, features of
    both are compared, too. The paper's loss is 10 L2 + GAN + 10 perceptual + 0.05 KL on sharp pictures, with VGG's
    features; the translator paints another texture at each pose, of which L2 leaves the mean.

    Source: Chen et al. 2023 (SceneDreamer, arXiv 2302.01330), sec. 3.4; blur and opponent are ours.
    """

    @dataclass(frozen=True)
    class Config:
        translator: WeightsPath = ""  # weights of the learner landscape-translator
        sizes: GeneratorSizes = field(default_factory=GeneratorSizes)  # of the generator
        crop: Pixels = 48  # side of what is rendered of a picture
        opponent_widths: tuple[Channels, ...] = (48, 96, 96)  # see `LabelledPatches`
        opponent_rate: Positive = 4.0  # of the opponent's learning rate, as a multiple of the generator's
        l2_weight: NonNegative = 10.0  # of the squared difference of blurred pictures
        blur: Count = 4  # pixels that they are averaged over
        adversarial_weight: NonNegative = 1.0
        matching_weight: NonNegative = 5.0  # of the opponent's features of pseudo truth
        features: WeightsPath = ""  # weights of the learner landscape-features; empty: no perceptual loss
        perceptual_weight: NonNegative = 10.0  # of the distance of their features
        divergence_weight: NonNegative = 0.05  # of styles from a standard normal distribution
        real_fraction: Fraction = 0.5  # of the opponent's real half that are photographs; the rest is pseudo truth
        average_decay: Fraction = 0.995  # of the weight average that is saved
        evaluated: Count = 64  # views of held-out worlds of the evaluation

        def __post_init__(self) -> None:
            if self.blur > self.crop:
                raise ValueError(f"blur: {self.blur} pixels are more than the crop of {self.crop}")
            if not self.opponent_widths:
                raise ValueError("opponent_widths: name the channels of at least one layer")

    raw_codes: Float[Tensor, "worlds 2"]

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        if not config.translator:
            raise ConfigError(
                "no translator paints the pseudo truth", key="learner.translator",
                hint="give weights that the learner landscape-translator saved",
            )  # fmt: skip
        # Not part of the state: translator and encoder are frozen, worlds and photographs are the data set's.
        self._outside: tuple[Translator, list[Landscape], list[Tensor], FeatureEncoder | None] = (
            Translator.load(config.translator, "learner.translator"),
            [],
            [],
            FeatureEncoder.load(config.features, "learner.features") if config.features else None,
        )

    def build(self, dataset: WorldDataset) -> None:
        if self.config.crop > dataset.size:
            raise ConfigError(
                f"crops of {self.config.crop} pixels are larger than the pictures of {dataset.size}", key="learner.crop"
            )
        self._worlds.extend(dataset.training_worlds())
        self._outside[2].append(planes(dataset.batch(Draws(0, 0, "styles/"), STYLED).images))
        self.register_buffer("raw_codes", torch.zeros(len(self._worlds), 2))
        generator = Generator(self.config.sizes)
        self.raw_codes.copy_(raw_codes(generator, self._worlds))
        generator.scene_encoder.standardise(self.raw_codes)
        self.set_networks(generator, self.config.average_decay)
        self.set_opponent(LabelledPatches(self.config.opponent_widths), self.config.opponent_rate)
        self._poses, self._reach, self._side = dataset.poses, dataset.reach, dataset.size

    @property
    def _translator(self) -> Translator:
        return self._outside[0]

    @property
    def _worlds(self) -> list[Landscape]:
        return self._outside[1]

    @property
    def styled_photographs(self) -> Float[Tensor, "n 3 H W"]:
        """Photographs whose styles say how styles are drawn."""
        return self._outside[2][0]

    def set_memory_format(self, device: torch.device) -> None:
        if device.type != "cpu":
            raise ConfigError("landscapes are looked at on the CPU", key="loop.device", hint="set loop.device=cpu")
        self.to(device)
        for network in (self.networks.decoder, self.average.module.decoder, self.opponent):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def generate(self, batch: LabelledPictures, draws: Draws) -> Rendered:
        count, edge = len(batch.images), self.networks.architecture.padding
        chosen = draws.integers("world", 0, len(self._worlds) - 1, count).tolist()
        views = [self._view(self._worlds[world], draws.sub(f"{item}")) for item, world in enumerate(chosen)]
        labels = inner(torch.stack([view.labels for view in views]), edge)
        with torch.no_grad():
            photographed = self._translator.encode(planes(batch.images))[0]
            pseudo = self._translator(labels, photographed, draws.normal("noise", *labels.shape))
        mean, log_variance = self.networks.style_encoder(pseudo)
        style = mean + (0.5 * log_variance).exp() * draws.normal("style", *mean.shape)
        pictures, cuts, codes = [], [], self._codes(chosen)
        for item, (world, view) in enumerate(zip(chosen, views, strict=True)):
            top, left = draws.integers(f"crop {item}", 0, self._side - self.config.crop, 2).tolist()
            cuts.append((top, left))
            window = cut(view, top, left, self.config.crop + 2 * edge)
            jitter = draws.uniform(f"jitter {item}", *window.depth.shape, self.networks.architecture.samples)
            scene, own_style = self._worlds[world], style[item : item + 1]
            pictures.append(self.networks(scene, window, codes[item], own_style, jitter)[0])
        side = self.config.crop
        squares = [(..., slice(top, top + side), slice(left, left + side)) for top, left in cuts]
        painted = torch.stack([picture[square] for picture, square in zip(pseudo, squares, strict=True)])
        kinds = torch.stack([kind[square] for kind, square in zip(labels, squares, strict=True)])
        return Rendered(torch.stack(pictures), painted, kinds, mean, log_variance)

    def _view(self, scene: Landscape, draws: Draws) -> LandscapeView:
        side = self._side + 2 * self.networks.architecture.padding
        return draw_camera(scene, draws, side, side, self._poses, self._reach)[1]

    def _codes(self, chosen: list[int]) -> Float[Tensor, "B 2"]:
        """Scene codes of training worlds, standardised over the latest raw codes of all."""
        encoder = self.networks.scene_encoder
        raw = torch.cat([encoder.raw(self._worlds[world].encoder_input()[None]) for world in chosen])
        self.raw_codes[chosen] = raw.detach()
        encoder.standardise(self.raw_codes)
        return encoder.standardised(raw)

    def opponent_loss(self, output: Rendered, batch: LabelledPictures, draws: Draws) -> Terms:
        photographs, labels = self._cropped(batch, draws)
        real, pseudo = self.opponent(photographs, labels), self.opponent(output.pseudo, output.labels)
        fake, fraction = self.opponent(output.pictures.detach(), output.labels), self.config.real_fraction
        loss = fraction * hinge_real(real.scores) + (1 - fraction) * hinge_real(pseudo.scores)
        return Terms({"opponent": loss + hinge_fake(fake.scores)})

    def _cropped(self, batch: LabelledPictures, draws: Draws) -> tuple[Float[Tensor, "B 3 h w"], Int[Tensor, "B h w"]]:
        side = self.config.crop
        top, left = draws.integers("photograph crop", 0, batch.images.shape[1] - side, 2).tolist()
        square = (slice(None), slice(top, top + side), slice(left, left + side))
        return planes(batch.images[square]), batch.labels[square]

    def generator_loss(self, output: Rendered, batch: LabelledPictures, draws: Draws) -> Terms:
        c = self.config
        fake = self.opponent(output.pictures, output.labels)
        with torch.no_grad():
            pseudo = self.opponent(output.pseudo, output.labels)
        blurred, target = (functional.avg_pool2d(each, c.blur) for each in (output.pictures, output.pseudo))
        terms = Terms(
            {
                "l2": c.l2_weight * functional.mse_loss(blurred, target),
                "adversarial": c.adversarial_weight * hinge_generator(fake.scores),
                "matching": c.matching_weight * feature_matching(fake.features, pseudo.features),
                "divergence": c.divergence_weight * divergence_from_normal(output.mean, output.log_variance),
            }
        )
        if (encoder := self._outside[3]) is not None:
            distance = perceptual_distance(encoder, output.pictures, output.pseudo)
            terms.losses["perceptual"] = c.perceptual_weight * distance
        return terms

    def _settle(self) -> Generator:
        """The averaged generator, its scene codes standardised over the training worlds."""
        generator: Generator = self.averaged
        generator.scene_encoder.standardise(raw_codes(generator, self._worlds))
        return generator

    @torch.no_grad()
    def sample_sheet(self, dataset: WorldDataset, draws: Draws) -> np.ndarray:
        """Columns of labels, the translator, and the generator in the style that it reads there, on held-out worlds."""
        labels, pseudo, rendered = self._held_out(dataset, draws, SHEET_VIEWS)
        columns = torch.stack([label_colors(labels), pixels(pseudo), pixels(rendered)], dim=1)
        return picture_grid(columns.flatten(0, 1), columns=4 * columns.shape[1])

    @torch.no_grad()
    def evaluate(self, dataset: WorldDataset, draws: Draws) -> dict[str, float]:
        """On held-out worlds: distance to the translator, texture of both beside photographs', spread of the codes."""
        labels, pseudo, rendered = self._held_out(dataset, draws, self.config.evaluated)
        photographs = dataset.held_out(draws, 256)
        encoder = self.averaged.scene_encoder
        codes = encoder.standardised(raw_codes(self.averaged, dataset.held_out_worlds()))
        trained = encoder.standardised(raw_codes(self.averaged, self._worlds))
        return {
            "psnr to the translator": float(-10 * functional.mse_loss(rendered, pseudo).log10()),
            "texture": texture(pixels(rendered), labels),
            "texture of the translator": texture(pixels(pseudo), labels),
            "texture of photographs": texture(photographs.images, photographs.labels),
            "spread of training codes": float(trained.std(dim=0).min()),
            "spread of held-out codes": float(codes.std(dim=0).min()),
        }

    def _held_out(self, dataset: WorldDataset, draws: Draws, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Labels, pseudo truth and renderings of views of held-out worlds."""
        generator, worlds = self._settle(), dataset.held_out_worlds()
        codes = generator.scene_encoder.standardised(raw_codes(generator, worlds))
        photographs = dataset.held_out(draws, count).images
        labels, pseudo, rendered = [], [], []
        for item in range(count):
            world = item % len(worlds)
            view = self._view(worlds[world], draws.sub(f"{item}"))
            kinds = inner(view.labels[None], self.networks.architecture.padding)
            photograph = planes(photographs[item % len(photographs)][None])
            noise = draws.normal(f"noise {item}", *kinds.shape)
            painted = self._translator(kinds, self._translator.encode(photograph)[0], noise)
            style = generator.style_encoder(painted)[0]
            labels.append(kinds[0])
            pseudo.append(painted[0])
            rendered.append(generator(worlds[world], view, codes[world], style)[0])
        return torch.stack(labels), torch.stack(pseudo), torch.stack(rendered)

    def save(self, folder: Path) -> None:
        generator = self._settle()
        generator.save(folder)
        StyleDistribution.of_pictures(generator, self.styled_photographs).save(folder)


@torch.no_grad()
def raw_codes(generator: Generator, worlds: list[Landscape]) -> Float[Tensor, "worlds 2"]:
    """Raw scene codes of worlds, one at a time."""
    return torch.cat([generator.scene_encoder.raw(world.encoder_input()[None]) for world in worlds])


def inner(maps: Tensor, edge: int) -> Tensor:
    """Maps [..., H, W] without `edge` pixels on each side."""
    return maps[..., edge : maps.shape[-2] - edge, edge : maps.shape[-1] - edge]


def cut(view: LandscapeView, top: int, left: int, side: int) -> LandscapeView:
    """A square of a view."""
    square = (slice(top, top + side), slice(left, left + side))
    return LandscapeView(**{each.name: getattr(view, each.name)[square] for each in fields(view)})
