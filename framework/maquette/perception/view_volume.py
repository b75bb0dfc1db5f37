"""Posed views as a volume: features of the pictures at the cells of a cube, pooled over the views."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.cameras.base import Cameras
from maquette.kernels.precision import in_float32
from maquette.perception.patch_encoder import PatchEncoder
from maquette.perception.volume_unet import GROUP, fold

STATISTICS = 3  # over the views: mean, variance and an extreme
RAW = 4  # channels of a picture: color, and its difference from the border's
NEAR, FAR = 0.01, 100.0  # of the projection, scene units; neither changes a position in the picture


class ViewVolume(nn.Module):
    """Volume and context vector of B objects from any number V of posed views each.

    The centres of N^3 cells are projected into the views. Color is sampled there and, at half the resolution, learned
    features of the picture; mean, variance and minimum (of learned features: maximum) over the views do not depend on
    the order of the views nor on their number. Fine cells are folded into channels of cells twice as large.
    The context is a function of what the whole pictures show.

    Args:
        bound: half side of the cube, scene units.
        resolution: cells N along a side, even.
        widths: channels of the picture's features at 1/2, 1/4 and 1/8 of its side.
        features: learned features at each coarse cell and view.
        context: size of the context vector.
        patches: path of a DINOv2 whose patches' features are added to the learned ones; "": none.

    Source: pooling by mean and variance, MVSNet (Yao et al. 2018, arXiv 1804.02505), sec. 3.2, and the local condition
    of One-2-3-45++ (Liu et al. 2023, arXiv 2311.07885), sec. 3.2; the minimum of what differs from the background is
    the visual hull.
    """

    fine: Tensor  # centres of the cells, and of cells twice as large
    coarse: Tensor

    def __init__(
        self,
        bound: float,
        resolution: int = 32,
        widths: tuple[int, int, int] = (24, 48, 96),
        features: int = 16,
        context: int = 128,
        patches: str = "",
    ) -> None:
        super().__init__()
        fine, coarse = cell_centres(bound, resolution), cell_centres(bound, resolution // 2)
        self.register_buffer("fine", fine, persistent=False)
        self.register_buffer("coarse", coarse, persistent=False)
        self.resolution = resolution
        entering = (RAW, *widths[:-1])
        self.pyramid = nn.ModuleList(map(_Convolutions, entering, widths))
        self.lift = nn.ModuleList(nn.Conv2d(width, features, 1) for width in widths)
        self.context = nn.Sequential(nn.Linear(2 * widths[2], context), nn.SiLU(), nn.Linear(context, context))
        self._patches = PatchEncoder(patches) if patches else None
        self.lift_patches = None if self._patches is None else nn.Conv2d(self._patches.width, features, 1)
        if self.lift_patches is not None:
            nn.init.zeros_(self.lift_patches.weight)  # so that weights without it begin as they were
            nn.init.zeros_(self.lift_patches.bias)  # type: ignore[arg-type]
        self.channels = 8 * STATISTICS * RAW + STATISTICS * features + 3

    def forward(
        self, images: Float[Tensor, "B V H W 3"], cameras: Cameras
    ) -> tuple[Float[Tensor, "B C n n n"], Float[Tensor, "B D"]]:
        """Volume of `channels` channels at half the resolution, and context.

        Args:
            images: in [0, 1], over plain backgrounds.
            cameras: B V cameras, the V views of an object one after the other.
        """
        raw, learned, context = self.at(images, cameras, self.fine, self.coarse)
        folded = fold(raw.unflatten(2, (self.resolution,) * 3))
        position = self.coarse.T.expand(len(images), -1, -1)
        volume = torch.cat([learned, position], dim=1).unflatten(2, (self.resolution // 2,) * 3)
        return torch.cat([folded.to(volume), volume], dim=1), context

    def at(
        self,
        images: Float[Tensor, "B V H W 3"],
        cameras: Cameras,
        fine: Float[Tensor, "p 3"],
        coarse: Float[Tensor, "q 3"],
    ) -> tuple[Float[Tensor, "B R p"], Float[Tensor, "B F q"], Float[Tensor, "B D"]]:
        """Statistics over the views at any points, scene units: of colors at `fine`, of learned features at `coarse`.

        Returns:
            Mean, variance and minimum of the `RAW` channels, one after the other; mean, variance and maximum of learned
            features; context. Gradients reach the last two.
        """
        objects, views = images.shape[:2]
        pictures = with_difference(images.flatten(0, 1).permute(0, 3, 1, 2))
        with torch.no_grad():
            raw = sample_views(pictures, cameras, fine, views)
            raw = torch.cat([*mean_and_variance(raw), raw.amin(1)], dim=1)
        local, whole = self._picture_features(pictures * 2 - 1)
        if self._patches is not None and self.lift_patches is not None:
            of_patches = self.lift_patches(self._patches(pictures[:, :3]))
            local = local + functional.interpolate(of_patches, local.shape[-2:], mode="bilinear", align_corners=False)
        learned = sample_views(local, cameras, coarse, views)
        learned = torch.cat([*mean_and_variance(learned), learned.amax(1)], dim=1)
        whole = whole.unflatten(0, (objects, views))
        return raw, learned, self.context(torch.cat([whole.mean(1), whole.amax(1)], dim=1))

    def _picture_features(self, pictures: Tensor) -> tuple[Float[Tensor, "P F h w"], Float[Tensor, "P E"]]:
        """Features of each picture at half its side, and one vector of each."""
        levels = []
        for convolutions in self.pyramid:
            pictures = convolutions(pictures)
            levels.append(pictures)
        local = self.lift[0](levels[0])
        for lift, level in zip(self.lift[1:], levels[1:], strict=True):
            local = local + functional.interpolate(lift(level), local.shape[-2:], mode="bilinear", align_corners=False)
        return local, levels[-1].mean((2, 3))


class _Convolutions(nn.Module):
    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(before, width, 4, stride=2, padding=1)
        self.norm = nn.GroupNorm(width // GROUP, width)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        hidden = functional.silu(self.conv_1(pictures))
        return hidden + functional.silu(self.conv_2(self.norm(hidden)))


def mean_and_variance(samples: Float[Tensor, "B V C P"]) -> tuple[Float[Tensor, "B C P"], Float[Tensor, "B C P"]]:
    """Mean and variance over the views; several times as fast as `Tensor.var` along an inner dimension."""
    mean = samples.mean(1)
    return mean, (samples - mean[:, None]).square().mean(1)


def cell_centres(bound: float, resolution: int) -> Float[Tensor, "P 3"]:
    """Centres of the cells of the cube [-bound, bound]^3, x slowest.

    Example:
        >>> cell_centres(1.0, 2)[1]
        tensor([-0.5000, -0.5000,  0.5000])
    """
    axis = ((torch.arange(resolution) + 0.5) / resolution * 2 - 1) * bound
    return torch.cartesian_prod(axis, axis, axis)


def with_difference(pictures: Float[Tensor, "P 3 H W"]) -> Float[Tensor, "P 4 H W"]:
    """Pictures with a channel for the largest difference of a color channel from the median of the picture's border."""
    border = torch.cat([pictures[..., 0, :], pictures[..., -1, :], pictures[..., 0], pictures[..., -1]], dim=-1)
    background = border.median(dim=-1).values[..., None, None]
    return torch.cat([pictures, (pictures - background).abs().amax(1, keepdim=True)], dim=1)


@in_float32
def sample_views(
    pictures: Float[Tensor, "P C H W"], cameras: Cameras, points: Float[Tensor, "n 3"], views: int
) -> Float[Tensor, "B V C n"]:
    """Bilinear samples of the V pictures of each object at the projections of points; outside, the border's value.

    Half precision would shift the projections by up to a pixel, so that autocast ends here.
    """
    # clip positions are affine in the points, so that those of four points give all of them in one product
    corners = torch.cat([torch.zeros(1, 3), torch.eye(3)]).to(points)
    origin, *ends = cameras.clip_positions(corners, NEAR, FAR)[:, :, [0, 1, 3]].unbind(1)
    affine = torch.stack([*(end - origin for end in ends), origin], dim=-1)  # [B V, 3, 4]
    homogeneous = torch.cat([points, torch.ones_like(points[:, :1])], dim=1)
    x, y, w = (affine.flatten(0, 1) @ homogeneous.T).unflatten(0, (-1, 3)).unbind(1)
    places = torch.stack([x / w, -y / w], dim=-1)[:, None]
    sampled = functional.grid_sample(pictures.float(), places, padding_mode="border", align_corners=False)
    return sampled[:, :, 0].unflatten(0, (-1, views))
