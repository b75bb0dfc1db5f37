"""Splatting beside gsplat's own torch implementation: `python benchmarks/peers_splatting.py`.

gsplat's projection, harmonics and compositing are its functions; they ask nerfacc for two sums that it has for CUDA
only, and gsplat's CUDA code for the pairs of pixels and Gaussians. Both are written here in a few lines of torch. Needs
`pip install gsplat`, whose wheel is plain Python; without it the script says so and ends.
"""

from __future__ import annotations

import importlib
import math
import sys
import types
from dataclasses import dataclass

import torch
from torch import Tensor

from maquette.kernels.splatting import project, spherical_harmonics, splat
from maquette.kernels.splatting.results import LEAST_ALPHA, LEAST_TRANSMITTANCE, TILE

TOLERANCE = 1e-3
FOV_Y_DEG = 49.1


@dataclass(frozen=True)
class Scene:
    """A ball of Gaussians of radius 0.5 seen from the front, at a distance of 2."""

    means: Tensor
    quaternions: Tensor
    scales: Tensor
    opacities: Tensor
    values: Tensor
    c2w: Tensor
    focal: float
    size: int

    @staticmethod
    def of(count: int, size: int, scale: float) -> Scene:
        keyed = torch.Generator().manual_seed(0)
        directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=keyed), dim=-1)
        means = 0.5 * directions * torch.rand(count, 1, generator=keyed) ** (1 / 3)
        scales = scale * (0.5 * torch.randn(count, 3, generator=keyed)).exp()
        c2w = torch.tensor([[0.0, 0, 1, 2], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
        return Scene(
            means,
            torch.randn(count, 4, generator=keyed),
            scales,
            0.98 * torch.rand(count, generator=keyed),  # gsplat clamps alpha at 0.999, the paper and we at 0.99
            torch.rand(count, 3, generator=keyed),
            c2w,
            0.5 * size / math.tan(math.radians(FOV_Y_DEG) / 2),
            size,
        )

    def leaves(self) -> list[Tensor]:
        tensors = (self.means, self.quaternions, self.scales, self.opacities, self.values)
        return [tensor.clone().requires_grad_() for tensor in tensors]


def find_gsplat() -> types.ModuleType | None:
    """gsplat's torch functions, or None where it is not installed."""
    stand_in = types.ModuleType("nerfacc")
    stand_in.render_weight_from_alpha = _weights  # type: ignore[attr-defined]
    stand_in.accumulate_along_rays = _sums  # type: ignore[attr-defined]
    sys.modules["nerfacc"] = stand_in
    try:
        return importlib.import_module("gsplat.cuda._torch_impl")
    except ImportError:
        return None


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


def peer_picture(gsplat: types.ModuleType, scene: Scene, leaves: list[Tensor], pairs=None) -> tuple[Tensor, Tensor]:
    """Colour and opacity by gsplat's functions; `pairs` may be found beforehand."""
    radii, means, depths, conics, _ = peer_projection(gsplat, scene, leaves)
    pairs = find_pairs(means, conics, depths, radii, leaves[3], scene.size) if pairs is None else pairs
    gaussians, pixels = pairs
    image, opacity = gsplat.accumulate(
        means[None], conics[None], leaves[3][None], leaves[4][None], gaussians, pixels, torch.zeros_like(pixels),
        scene.size, scene.size,
    )  # fmt: skip
    return image[0], opacity[0, ..., 0]


def our_picture(scene: Scene, leaves: list[Tensor], backend: str) -> tuple[Tensor, Tensor]:
    view = project(*leaves[:3], scene.c2w, scene.focal, scene.size, scene.size, backend=backend)
    picture = splat(view, leaves[3], leaves[4], backend=backend)
    return picture.values, picture.opacity


def loss_of(image: Tensor, opacity: Tensor) -> Tensor:
    keyed = torch.Generator().manual_seed(1)
    colour = (image * torch.randn(image.shape, generator=keyed)).sum()
    return colour + (opacity * torch.randn(opacity.shape, generator=keyed)).sum()


def differences(gsplat: types.ModuleType, backend: str) -> dict[str, float]:
    """Largest difference of each value, and that of each gradient relative to its norm."""
    scene = Scene.of(2000, 64, 0.03)
    ours, theirs = scene.leaves(), scene.leaves()
    view = project(*ours[:3], scene.c2w, scene.focal, scene.size, scene.size, backend=backend)
    _, means, depths, conics, compensation = peer_projection(gsplat, scene, theirs)
    seen = view.visible
    found = {
        "screen means": (view.means - means)[seen].abs().max().item(),
        "depths": (view.depths - depths)[seen].abs().max().item(),
        "conics": (view.conics - conics)[seen].abs().max().item(),
        "compensation": (view.compensation - compensation)[seen].abs().max().item(),
    }
    pictures = our_picture(scene, ours, backend), peer_picture(gsplat, scene, theirs)
    for name, our, their in zip(("colour", "opacity"), *pictures, strict=True):
        found[name] = (our - their).abs().max().item()
    for picture in pictures:
        loss_of(*picture).backward()
    names = ("means", "quaternions", "scales", "opacities", "values")
    for name, our, their in zip(names, ours, theirs, strict=True):
        found[f"gradient of {name}"] = ((our.grad - their.grad).norm() / their.grad.norm()).item()
    keyed = torch.Generator().manual_seed(2)
    directions, coefficients = torch.randn(100, 3, generator=keyed), torch.randn(100, 16, 3, generator=keyed)
    theirs_seen = gsplat._spherical_harmonics(3, directions, coefficients)
    found["harmonics"] = (spherical_harmonics(directions, coefficients, 3) - theirs_seen).abs().max().item()
    return found


def main() -> None:
    gsplat = find_gsplat()
    if gsplat is None:
        print("skipped: gsplat is not installed; run `pip install gsplat` to compare with it")
        return
    failed = False
    for backend in ("numba", "reference"):
        print(f"\n| {backend} beside gsplat | difference |\n|---|---|")
        for name, difference in differences(gsplat, backend).items():
            print(f"| {name} | {difference:.1e} |")
            failed |= not difference <= TOLERANCE
    sys.exit(f"a difference is above {TOLERANCE}" if failed else 0)


if __name__ == "__main__":
    main()
