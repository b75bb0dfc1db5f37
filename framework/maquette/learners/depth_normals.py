"""A small DPT-hybrid that sees depth and normals in a picture, saved in transformers' layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.datasets.base import DepthsAndNormals, GeometryDataset
from maquette.images.picture import Picture
from maquette.images.sheets import picture_grid
from maquette.learners.base import AveragedLearner
from maquette.objectives.terms import Terms
from maquette.perception.estimator import postprocess, preprocess
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.loading import halved, quiet

SCALES = 4  # resolutions at which gradients are compared, MiDaS's K
SHOWN = 16  # pictures on the sample sheet
INITIAL = 0.06  # deviation of initial weights; transformers' 0.02 is for networks ten times as wide
INSIDE = 0.99  # opacity from which on a pixel counts as the object's


@register("learner", "depth-normals")
class DepthNormalsLearner(AveragedLearner[GeometryDataset, DepthsAndNormals]):
    """Inverse depth up to a scale and a shift, and normals in the camera's frame, by a small DPT-hybrid.

    Depth by MiDaS's scale- and shift-invariant loss with its gradient term; normals by 1 - cosine and the L1 distance.
    Only what the object covers counts.

    Source: network, Ranftl et al. 2021 (DPT, arXiv 2103.13413), sec. 3; depth loss, Ranftl et al. 2020 (MiDaS, arXiv
    1907.01341), sec. 5; normal loss, Eftekhar et al. 2021 (Omnidata, arXiv 2110.04994), sec. 6.
    """

    @dataclass(frozen=True)
    class Config:
        side: int = 128  # of the pictures that the network sees, larger ones or smaller ones resized; a multiple of 16
        stem: int = 32  # channels of the first convolution
        stages: tuple[int, int, int] = (64, 128, 192)  # convolution channels at 1/4, 1/8 and 1/16 of the side
        blocks: tuple[int, int, int] = (1, 1, 1)  # residual blocks of each
        width: int = 128  # transformer width
        layers: int = 4  # transformer layers
        heads: int = 4  # attention heads
        fused: int = 32  # decoder channels
        gradient_weight: float = 0.5  # of MiDaS's gradient term, its alpha
        normal_weight: float = 1.0  # of the loss of normals
        average_decay: float = 0.995  # of the weight average that is saved
        evaluated: int = 512  # held-out pictures of the evaluation

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: GeometryDataset) -> None:
        self.follow(_network(self.config), self.config.average_decay)

    def _see(self, network: Any, images: Float[Tensor, "B H W 3"]) -> tuple[Tensor, Tensor]:
        """Nearness [B, H, W, 1] and normals [B, H, W, 3]."""
        output = network(preprocess(images, self.config.side, (0.5,) * 3, (0.5,) * 3)).predicted_depth
        nearness, normal = postprocess(output.float(), images.shape[1])
        assert normal is not None
        return nearness, normal

    def loss(self, batch: DepthsAndNormals, draws: Draws) -> Terms:
        nearness, normal = self._see(self.networks, batch.images)
        inside = batch.opacity > INSIDE
        residual = (normalised(nearness, inside) - normalised(1 / batch.depth, inside)) * inside
        covered = inside.sum().clamp(min=1)
        apart = (normal - batch.normal).abs().sum(-1, keepdim=True)
        turned = 1 - (normal * batch.normal).sum(-1, keepdim=True) + apart
        return Terms(
            {
                "depth": residual.abs().sum() / covered,
                "depth gradient": self.config.gradient_weight * gradients(residual, inside),
                "normal": self.config.normal_weight * (turned * inside).sum() / covered,
            }
        )

    @torch.no_grad()
    def sample_sheet(self, dataset: GeometryDataset, draws: Draws) -> np.ndarray:
        """Two pictures to a row, each with its depth as estimated and as it is, and normals likewise."""
        views = dataset.sample_views(SHOWN)
        (nearness, normal), inside = self._see(self.averaged, views.images), views.opacity
        known, found = (normalised(depth, inside > INSIDE) for depth in (1 / views.depth, nearness))
        depths = [((depth / 4 + 0.5).clamp(0, 1) * inside).expand(-1, -1, -1, 3) for depth in (found, known)]
        normals = [Picture(n / 2 + 0.5, inside).over(0.5) for n in (normal, views.normal)]
        columns = torch.stack([views.images, *depths, *normals], dim=1)
        return picture_grid(columns.flatten(0, 1), columns=2 * columns.shape[1])

    @torch.no_grad()
    def evaluate(self, dataset: GeometryDataset, draws: Draws, chunk: int = 64) -> dict[str, float]:
        """Pearson's correlation of inverse depths, and the mean angle between normals, inside held-out objects."""
        correlations, angles = [], []
        for start in range(0, self.config.evaluated, chunk):
            views = dataset.held_out(draws.sub(str(start)), min(chunk, self.config.evaluated - start))
            nearness, normal = self._see(self.averaged, views.images)
            for i, inside in enumerate(views.opacity[..., 0] > INSIDE):
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

    c, grid = config, config.side // 16
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
            backbone_featmap_shape=[1, c.stages[-1], grid, grid],
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
            initializer_range=INITIAL,
            use_auxiliary_head=False,
        )
    )


def normalised(values: Float[Tensor, "B H W 1"], inside: Tensor) -> Float[Tensor, "B H W 1"]:
    """Values of each picture less their median, over their mean distance from it, both of what is `inside`.

    Source: Ranftl et al. 2020, eq. 5 and 6.

    Example:
        >>> values = torch.tensor([1.0, 2.0, 3.0, 100.0]).view(1, 2, 2, 1)
        >>> normalised(values, values < 50).flatten()[:3]
        tensor([-1.5000,  0.0000,  1.5000])
    """
    flat = torch.where(inside, values, torch.nan).flatten(1)
    median = flat.nanmedian(dim=1).values.nan_to_num()[:, None, None, None]
    spread = torch.where(inside, (values - median).abs(), 0.0).sum((1, 2, 3), keepdim=True)
    count = inside.sum((1, 2, 3), keepdim=True).clamp(min=1)
    return (values - median) / (spread / count).clamp(min=1e-6)


def gradients(residual: Float[Tensor, "B H W 1"], inside: Tensor) -> Float[Tensor, ""]:
    """Mean absolute differences between neighbouring residuals, both `inside`, summed over resolutions.

    Source: Ranftl et al. 2020, eq. 11.
    """
    total = residual.new_zeros(())
    for scale in range(SCALES):
        r, m = residual[:, :: 2**scale, :: 2**scale], inside[:, :: 2**scale, :: 2**scale]
        across = ((r[:, :, 1:] - r[:, :, :-1]).abs() * (m[:, :, 1:] & m[:, :, :-1])).sum()
        down = ((r[:, 1:] - r[:, :-1]).abs() * (m[:, 1:] & m[:, :-1])).sum()
        total = total + (across + down) / m.sum().clamp(min=1)
    return total
