"""Splatting by gsplat's own torch code, for the benchmark and for `tests/kernels/test_independent_splatting.py`.

gsplat's projection, harmonics and compositing are its functions; they ask nerfacc for two sums that it has for CUDA
only, and gsplat's CUDA code for the pairs of pixels and Gaussians. Both are written here in a few lines of torch. Needs
`pip install gsplat`, whose wheel is plain Python.
"""

from __future__ import annotations

import importlib
import math
import sys
import types
from dataclasses import dataclass

import torch
from torch import Tensor

from maquette.kernels.splatting import Projected, project, splat
from maquette.kernels.splatting.results import LEAST_ALPHA, LEAST_TRANSMITTANCE, TILE

FOV_Y_DEG = 49.1
FROM_THE_FRONT = torch.tensor([[0.0, 0, 1, 2], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Scene:
    """A ball of Gaussians of radius 0.5 around the origin, and a camera."""

    means: Tensor
    quaternions: Tensor
    scales: Tensor
    opacities: Tensor
    values: Tensor
    c2w: Tensor
    focal: float
    size: int

    @staticmethod
    def of(count: int, size: int, scale: float, needles: float = 0.5, c2w: Tensor = FROM_THE_FRONT) -> Scene:
        """Scales are drawn around `scale`; `needles` is the standard deviation of their logarithms."""
        keyed = torch.Generator().manual_seed(0)
        directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=keyed), dim=-1)
        return Scene(
            0.5 * directions * torch.rand(count, 1, generator=keyed) ** (1 / 3),
            torch.randn(count, 4, generator=keyed),
            scale * (needles * torch.randn(count, 3, generator=keyed)).exp(),
            0.98 * torch.rand(count, generator=keyed),  # gsplat clamps alpha at 0.999, the paper and we at 0.99
            torch.rand(count, 3, generator=keyed),
            c2w,
            0.5 * size / math.tan(math.radians(FOV_Y_DEG) / 2),
            size,
        )

    def leaves(self) -> list[Tensor]:
        """Means, quaternions, scales, opacities and values, ready for gradients."""
        tensors = (self.means, self.quaternions, self.scales, self.opacities, self.values)
        return [tensor.clone().requires_grad_() for tensor in tensors]


def find_gsplat() -> types.ModuleType:
    """gsplat's torch functions; ImportError where it is not installed."""
    stand_in = types.ModuleType("nerfacc")
    stand_in.render_weight_from_alpha = _weights  # type: ignore[attr-defined]
    stand_in.accumulate_along_rays = _sums  # type: ignore[attr-defined]
    sys.modules["nerfacc"] = stand_in
    return importlib.import_module("gsplat.cuda._torch_impl")


def _weights(alphas: Tensor, ray_indices: Tensor, n_rays: int) -> tuple[Tensor, Tensor]:
    """Packed compositing as products along the rows of a padded matrix."""
    counts = torch.bincount(ray_indices, minlength=n_rays)
    column = torch.arange(len(alphas)) - (counts.cumsum(0) - counts)[ray_indices]
    clear = alphas.new_ones(n_rays, int(counts.max()) + 1).index_put((ray_indices, column + 1), 1 - alphas)
    transmittance = clear.cumprod(dim=1)[ray_indices, column]
    return transmittance * alphas, transmittance


def _sums(weights: Tensor, values: Tensor | None, ray_indices: Tensor, n_rays: int) -> Tensor:
    weighted = weights[:, None] if values is None else weights[:, None] * values
    return weighted.new_zeros(n_rays, weighted.shape[1]).index_add(0, ray_indices, weighted)


def peer_projection(gsplat: types.ModuleType, scene: Scene, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    """Radii, screen means, depths, conics and compensations of gsplat."""
    view = torch.linalg.inv(scene.c2w @ torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0])))
    middle = scene.size / 2
    intrinsics = torch.tensor([[scene.focal, 0, middle], [0, scene.focal, middle], [0, 0, 1]])
    covariances, _ = gsplat._quat_scale_to_covar_preci(leaves[1], leaves[2], compute_preci=False)
    rows = gsplat._fully_fused_projection(
        leaves[0], covariances, view[None], intrinsics[None], scene.size, scene.size, calc_compensations=True
    )
    return tuple(row[0] for row in rows)


@torch.no_grad()
def find_pairs(means: Tensor, conics: Tensor, depths: Tensor, radii: Tensor, opacities: Tensor, size: int):
    """Gaussian and pixel of each contribution, pixel by pixel in the order of depth; plain torch, block by block."""
    order = torch.argsort(depths, stable=True)
    order = order[(radii[order] > 0).all(dim=-1)]
    low, high = means[order] - radii[order], means[order] + radii[order]
    gaussians, pixels = [], []
    for top in range(0, size, TILE):
        for left in range(0, size, TILE):
            corner = torch.tensor([left, top])
            listed = order[((low < corner + TILE) & (high > corner)).all(dim=-1)]
            v, u = torch.meshgrid(
                *(torch.arange(start, min(start + TILE, size)) for start in (top, left)), indexing="ij"
            )
            place = torch.stack([u.reshape(-1), v.reshape(-1)], dim=-1) + 0.5
            x, y = (place[:, None, :] - means[listed]).unbind(-1)
            a, b, c = conics[listed].unbind(-1)
            alpha = opacities[listed] * torch.exp(-(a * x * x + c * y * y) / 2 - b * x * y)
            alpha = torch.where(alpha >= LEAST_ALPHA, alpha, 0.0)
            pixel, row = ((alpha > 0) & ((1 - alpha).cumprod(dim=1) >= LEAST_TRANSMITTANCE)).nonzero(as_tuple=True)
            gaussians.append(listed[row])
            pixels.append((v.reshape(-1) * size + u.reshape(-1))[pixel])
    pixel, by_pixel = torch.cat(pixels).sort(stable=True)
    return torch.cat(gaussians)[by_pixel], pixel


def peer_picture(gsplat: types.ModuleType, scene: Scene, leaves: list[Tensor], pairs=None) -> list[Tensor]:
    """Colour, opacity and depth by gsplat's functions, depth being one more colour; `pairs` may be found beforehand."""
    radii, means, depths, conics, _ = peer_projection(gsplat, scene, leaves)
    pairs = find_pairs(means, conics, depths, radii, leaves[3], scene.size) if pairs is None else pairs
    gaussians, pixels = pairs
    values = torch.cat([leaves[4], depths[:, None]], dim=-1)
    image, opacity = gsplat.accumulate(
        means[None], conics[None], leaves[3][None], values[None], gaussians, pixels, torch.zeros_like(pixels),
        scene.size, scene.size,
    )  # fmt: skip
    return [image[0, ..., :3], opacity[0, ..., 0], image[0, ..., 3] / opacity[0, ..., 0].clamp(min=LEAST_ALPHA / 2)]


def our_projection(scene: Scene, leaves: list[Tensor], backend: str, mode: str = "3d") -> Projected:
    return project(*leaves[:3], scene.c2w, scene.focal, scene.size, scene.size, mode=mode, backend=backend)


def our_picture(scene: Scene, leaves: list[Tensor], backend: str, mode: str = "3d") -> list[Tensor]:
    """Colour, opacity and depth by ours."""
    picture = splat(our_projection(scene, leaves, backend, mode), leaves[3], leaves[4], backend=backend)
    return [picture.values, picture.opacity, picture.depth]
