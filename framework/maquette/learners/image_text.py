"""A small CLIP: image and text encoders trained contrastively, saved in transformers' layout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Channels, Count, Fraction, Pixels, Positive, WeightsPath
from maquette.datasets.base import CaptionedDataset, CaptionedImages
from maquette.learners.base import AveragedLearner, word_tokenizer
from maquette.objectives.terms import Terms
from maquette.perception.clip import load_clip
from maquette.perception.image_encoder import ClipPreprocessor
from maquette.perception.tokens import tokenize
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.loading import halved

if TYPE_CHECKING:
    from transformers import CLIPModel


@register("learner", "image-text")
class ImageTextLearner(AveragedLearner[CaptionedDataset, CaptionedImages]):
    """Contrastive image-text encoder for scoring renderings, robust to their typical artefacts.

    Equal captions in a batch count as positives of each other (a small world has few distinct ones). Images are
    blurred, shifted, zoomed, scaled in brightness and made noisy at random, since the encoder scores optimised scenes.

    Source: Radford et al. 2021 (arXiv 2103.00020), fig. 3; several positives: Khosla et al. 2020 (arXiv 2004.11362).
    """

    @dataclass(frozen=True)
    class Config:
        start: WeightsPath = ""  # initial CLIP weights, with their sizes and vocabulary: a folder, or a plugin's name
        size: Pixels = 64  # image side in pixels
        patch: Pixels = 8  # patch side in pixels
        width: Channels = 160  # image transformer width
        layers: Count = 5  # image transformer layers
        text_width: Channels = 96  # text transformer width
        text_layers: Count = 2  # text transformer layers
        heads: Count = 4  # attention heads
        projection: Channels = 96  # shared embedding size
        tokens: Count = 24  # tokens per caption
        gain: tuple[Positive, Positive] = (0.75, 1.2)  # range of the random brightness factor of training images
        average_decay: Fraction = 0.999  # of the weight average that is saved
        evaluated: Count = 1024  # held-out pictures of the evaluation

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: CaptionedDataset) -> None:
        if self.config.start:
            model, self.tokenizer, self.pixels = load_clip(self.config.start)
            model.train().requires_grad_(True)
        else:
            self.tokenizer = word_tokenizer(dataset.words(), self.config.tokens)
            model = self._fresh()
            self.pixels = ClipPreprocessor(self.config.size)
            self.pixels.mean = self.pixels.std = [0.5] * 3
        self.set_networks(model, self.config.average_decay)

    def _fresh(self) -> CLIPModel:
        from transformers import CLIPConfig, CLIPModel

        c = self.config
        text = {
            "vocab_size": len(self.tokenizer),
            "hidden_size": c.text_width,
            "intermediate_size": 4 * c.text_width,
            "num_hidden_layers": c.text_layers,
            "num_attention_heads": c.heads,
            "max_position_embeddings": c.tokens,
            "bos_token_id": self.tokenizer.bos_token_id,
            "eos_token_id": self.tokenizer.eos_token_id,
            "pad_token_id": self.tokenizer.pad_token_id,
        }
        vision = {
            "hidden_size": c.width,
            "intermediate_size": 4 * c.width,
            "num_hidden_layers": c.layers,
            "num_attention_heads": c.heads,
            "image_size": c.size,
            "patch_size": c.patch,
        }
        return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=c.projection))

    def loss(self, batch: CaptionedImages, draws: Draws) -> Terms:
        images = augment(batch.images.permute(0, 3, 1, 2), self.config.gain, draws).permute(0, 2, 3, 1)
        numbers = {caption: index for index, caption in enumerate(dict.fromkeys(batch.captions))}
        group = torch.tensor([numbers[caption] for caption in batch.captions], device=images.device)
        ids = tokenize(self.tokenizer, list(numbers)).input_ids.to(images.device)[group]
        output = self.networks(input_ids=ids, pixel_values=self.pixels(images))
        same = group[:, None].eq(group[None, :]).float()
        target = same / same.sum(1, keepdim=True)
        logits = output.logits_per_image.float()
        contrast = -(target * logits.log_softmax(1)).sum(1).mean() - (target * logits.T.log_softmax(1)).sum(1).mean()
        return Terms({"contrastive": contrast / 2})

    def after_step(self, step: int) -> None:
        with torch.no_grad():
            self.networks.logit_scale.clamp_(max=math.log(100.0))
        super().after_step(step)

    @torch.no_grad()
    def evaluate(self, dataset: CaptionedDataset, draws: Draws) -> dict[str, float]:
        """Retrieval accuracy on held-out renders: the correct caption among all captions of the test vocabulary."""
        batch = dataset.held_out(draws, self.config.evaluated)
        labels = list(dict.fromkeys([*dataset.sample_captions(), *batch.captions]))
        ids = tokenize(self.tokenizer, labels).input_ids.to(batch.images.device)
        output = self.averaged(input_ids=ids, pixel_values=self.pixels(batch.images))
        best = output.logits_per_image.argmax(1).tolist()
        correct = sum(labels[index] == caption for index, caption in zip(best, batch.captions, strict=True))
        return {"held-out retrieval": correct / len(best)}

    def save(self, folder: Path) -> None:
        halved(self.averaged).save_pretrained(folder, safe_serialization=True)
        self.tokenizer.save_pretrained(folder)
        self.pixels.save(folder)


def augment(images: Float[Tensor, "B 3 H W"], gains: tuple[float, float], draws: Draws) -> Float[Tensor, "B 3 H W"]:
    """Random augmentations with the artefacts of optimised scenes: shift, zoom, blur, brightness and noise."""
    count, device = images.shape[0], images.device
    zoom = draws.uniform("zoom", count, low=0.8, high=1.25).to(device)
    shift = draws.uniform("shift", count, 2, low=-0.12, high=0.12).to(device)
    affine = torch.zeros(count, 2, 3, device=device)
    affine[:, 0, 0] = affine[:, 1, 1] = zoom
    affine[:, :, 2] = shift
    sampling_grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    warped = functional.grid_sample(images, sampling_grid, padding_mode="border", align_corners=False)
    half = functional.interpolate(functional.avg_pool2d(warped, 2), scale_factor=2, mode="bilinear")
    quarter = functional.interpolate(functional.avg_pool2d(warped, 4), scale_factor=4, mode="bilinear")
    pick = draws.uniform("blur", count).to(device)[:, None, None, None]
    blurred = torch.where(pick < 0.5, warped, torch.where(pick < 0.8, half, quarter))
    gain = draws.uniform("gain", count, 1, 1, 1, low=gains[0], high=gains[1]).to(device)
    noise = draws.normal("noise", *images.shape, device=device) * draws.uniform("sigma", count, 1, 1, 1, high=0.06).to(
        device
    )
    return (blurred * gain + noise).clamp(0, 1)
