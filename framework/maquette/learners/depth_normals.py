"""A small DPT-hybrid that estimates depth and normals from an image, saved in the transformers layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Channels, Count, Fraction, NonNegative, Pixels, WeightsPath
from maquette.datasets.base import DepthsAndNormals, GeometryDataset
from maquette.images.picture import Picture
from maquette.images.sheets import picture_grid
from maquette.learners.base import AveragedLearner
from maquette.objectives.terms import Terms
from maquette.perception.estimator import Estimator, postprocess, preprocess
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.loading import halved, load_tensors, quiet

GRADIENT_SCALES = 4  # number of resolutions of the gradient loss, MiDaS's K
SHEET_IMAGES = 16  # images on the sample sheet
INITIALIZER_RANGE = 0.06  # standard deviation of initial weights; transformers' 0.02 is for networks ten times as wide
OBJECT_OPACITY = 0.99  # opacity above which a pixel counts as the object's


@register("learner", "depth-normals")
class DepthNormalsLearner(AveragedLearner[GeometryDataset, DepthsAndNormals]):
    """Trains a small DPT-hybrid on inverse depth up to scale and shift, and on normals in the camera's frame.

    Depth has MiDaS's scale- and shift-invariant loss with its gradient term; normals have 1 - cosine plus the L1
    distance. Losses are averaged over the object's pixels.

    Source: network, Ranftl et al. 2021 (DPT, arXiv 2103.13413), sec. 3; depth loss, Ranftl et al. 2020 (MiDaS, arXiv
    1907.01341), sec. 5; normal loss, Eftekhar et al. 2021 (Omnidata, arXiv 2110.04994), sec. 6.
    """

    @dataclass(frozen=True)
    class Config:
        start: WeightsPath = ""  # initial weights, which this learner saved with the sizes below
        side: Pixels = 128  # side in pixels that images are resized to for the network; a multiple of 16
        stem: Channels = 32  # channels of the first convolution
        stages: tuple[Channels, Channels, Channels] = (
            64,
            128,
            192,
        )  # convolution channels at 1/4, 1/8 and 1/16 of the side
        blocks: tuple[Count, Count, Count] = (1, 1, 1)  # residual blocks of each stage
        width: Channels = 128  # transformer width
        layers: Count = 4  # transformer layers
        heads: Count = 4  # attention heads
        fused: Channels = 32  # decoder channels
        gradient_weight: NonNegative = 0.5  # weight of MiDaS's gradient term, its alpha
        normal_weight: NonNegative = 1.0  # weight of the normal loss
        average_decay: Fraction = 0.995  # of the weight average that is saved
        evaluated: Count = 512  # held-out images of the evaluation

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: GeometryDataset) -> None:
        network = _network(self.config)
        if self.config.start:
            initial = Estimator(self.config.start, "learner.start").network
            load_tensors(network, initial.state_dict(), f"an estimator from {self.config.start!r}", "learner.start")
        self.set_networks(network, self.config.average_decay)

    def _predict(self, network: Any, images: Float[Tensor, "B H W 3"]) -> tuple[Tensor, Tensor]:
        """Predicted inverse depth [B, H, W, 1] and normals [B, H, W, 3]."""
        output = network(preprocess(images, self.config.side, (0.5,) * 3, (0.5,) * 3)).predicted_depth
        nearness, normal = postprocess(output.float(), images.shape[1])
        assert normal is not None
        return nearness, normal

    def loss(self, batch: DepthsAndNormals, draws: Draws) -> Terms:
        nearness, normal = self._predict(self.networks, batch.images)
        inside = batch.opacity > OBJECT_OPACITY
        residual = (normalise_depth(nearness, inside) - normalise_depth(1 / batch.depth, inside)) * inside
        covered = inside.sum().clamp(min=1)
        l1_distance = (normal - batch.normal).abs().sum(-1, keepdim=True)
        normal_error = 1 - (normal * batch.normal).sum(-1, keepdim=True) + l1_distance
        return Terms(
            {
                "depth": residual.abs().sum() / covered,
                "depth gradient": self.config.gradient_weight * gradient_loss(residual, inside),
                "normal": self.config.normal_weight * (normal_error * inside).sum() / covered,
            }
        )

    @torch.no_grad()
    def sample_sheet(self, dataset: GeometryDataset, draws: Draws) -> np.ndarray:
        """Two images per row, each with estimated and true depth, then estimated and true normals."""
        views = dataset.sample_views(SHEET_IMAGES)
        (nearness, normal), inside = self._predict(self.averaged, views.images), views.opacity
        depths = [normalise_depth(depth, inside > OBJECT_OPACITY) for depth in (nearness, 1 / views.depth)]
        depths = [((depth / 4 + 0.5).clamp(0, 1) * inside).expand(-1, -1, -1, 3) for depth in depths]
        normals = [Picture(n / 2 + 0.5, inside).over(0.5) for n in (normal, views.normal)]
        columns = torch.stack([views.images, *depths, *normals], dim=1)
        return picture_grid(columns.flatten(0, 1), columns=2 * columns.shape[1])

    @torch.no_grad()
    def evaluate(self, dataset: GeometryDataset, draws: Draws, chunk: int = 64) -> dict[str, float]:
        """Pearson correlation of inverse depths and mean angle between normals, over the pixels of held-out objects."""
        correlations, angles = [], []
        for start in range(0, self.config.evaluated, chunk):
            views = dataset.held_out(draws.sub(str(start)), min(chunk, self.config.evaluated - start))
            nearness, normal = self._predict(self.averaged, views.images)
            for i, inside in enumerate(views.opacity[..., 0] > OBJECT_OPACITY):
                both = torch.stack([nearness[i, inside, 0], 1 / views.depth[i, inside, 0]])
                correlations.append(torch.corrcoef(both)[0, 1])
                cosine = functional.cosine_similarity(normal[i, inside], views.normal[i, inside], dim=-1)
                angles.append(torch.rad2deg(cosine.clamp(-1, 1).acos()).mean())
        return {
            "held-out depth correlation": float(torch.stack(correlations).mean()),
            "held-out normal angle_deg": float(torch.stack(angles).mean()),
        }

    def save(self, folder: Path) -> None:
        from transformers import DPTImageProcessorPil

        size = {"height": self.config.side, "width": self.config.side}
        with quiet():
            halved(self.averaged).save_pretrained(folder, safe_serialization=True)
            DPTImageProcessorPil(size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(folder)


def _network(config: DepthNormalsLearner.Config) -> Any:
    from transformers import AutoConfig, DPTConfig

    from maquette.perception.dpt import DPTForDepthAndNormals

    c, feature_side = config, config.side // 16
    convolutions = AutoConfig.for_model(
        "bit",
        embedding_size=c.stem,
        hidden_sizes=list(c.stages),
        depths=list(c.blocks),
        layer_type="bottleneck",
        global_padding="same",
        embedding_dynamic_padding=True,
        num_groups=8,
        out_features=["stage1", "stage2", "stage3"],
    )
    return DPTForDepthAndNormals(
        DPTConfig(
            is_hybrid=True,
            backbone_config=convolutions,
            backbone_featmap_shape=[1, c.stages[-1], feature_side, feature_side],
            image_size=c.side,
            patch_size=16,
            hidden_size=c.width,
            intermediate_size=4 * c.width,
            num_hidden_layers=c.layers,
            num_attention_heads=c.heads,
            backbone_out_indices=[0, 1, (c.layers - 1) // 2, c.layers - 1],
            reassemble_factors=[1, 1, 1, 0.5],
            neck_hidden_sizes=[*c.stages[:2], 2 * c.fused, 2 * c.fused],
            fusion_hidden_size=c.fused,
            initializer_range=INITIALIZER_RANGE,
            use_auxiliary_head=False,
        )
    )


def normalise_depth(values: Float[Tensor, "B H W 1"], inside: Tensor) -> Float[Tensor, "B H W 1"]:
    """Values of each image minus their median, over their mean absolute deviation from it, in the mask `inside`.

    Source: Ranftl et al. 2020, eq. 5 and 6.

    Example:
        >>> values = torch.tensor([1.0, 2.0, 3.0, 100.0]).view(1, 2, 2, 1)
        >>> normalise_depth(values, values < 50).flatten()[:3]
        tensor([-1.5000,  0.0000,  1.5000])
    """
    flat = torch.where(inside, values, torch.nan).flatten(1)
    median = flat.nanmedian(dim=1).values.nan_to_num()[:, None, None, None]
    spread = torch.where(inside, (values - median).abs(), 0.0).sum((1, 2, 3), keepdim=True)
    count = inside.sum((1, 2, 3), keepdim=True).clamp(min=1)
    return (values - median) / (spread / count).clamp(min=1e-6)


def gradient_loss(residual: Float[Tensor, "B H W 1"], inside: Tensor) -> Float[Tensor, ""]:
    """Mean absolute differences between neighbouring residuals inside the mask, summed over resolutions.

    Source: Ranftl et al. 2020, eq. 11.
    """
    total = residual.new_zeros(())
    for scale in range(GRADIENT_SCALES):
        r, m = residual[:, :: 2**scale, :: 2**scale], inside[:, :: 2**scale, :: 2**scale]
        across = ((r[:, :, 1:] - r[:, :, :-1]).abs() * (m[:, :, 1:] & m[:, :, :-1])).sum()
        down = ((r[:, 1:] - r[:, :-1]).abs() * (m[:, 1:] & m[:, :-1])).sum()
        total = total + (across + down) / m.sum().clamp(min=1)
    return total
