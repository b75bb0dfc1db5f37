"""Splatting in plain torch: the definition that the other backends are tested against, on any device.

Written for reading: a loop over blocks of pixels bounds the memory, and leaves out of a block only Gaussians that the
cut at 1/255 would leave out of each of its pixels.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from maquette.kernels.rotations import rotation_matrices
from maquette.kernels.splatting.results import (
    DISK_LOW_PASS,
    GUARD,
    LEAST_ALPHA,
    LEAST_TRANSMITTANCE,
    LOW_PASS,
    MOST_ALPHA,
    OPAQUE_DEVIATIONS,
    RADIUS,
    TILE,
    Projected,
)


def project(
    means: Float[Tensor, "n 3"],
    quaternions: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    rotation: Float[Tensor, "3 3"],
    position: Float[Tensor, " xyz"],
    focal: float,
    height: int,
    width: int,
    near: float,
) -> Projected:
    """As the public function, for a camera at `position` whose axes (right, down, forward) are rows of `rotation`.

    Only the visible ones are projected with gradients, so that what overflows elsewhere cannot reach them.
    """

    def footprints(means: Tensor, quaternions: Tensor, scales: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return _project(means, quaternions, scales, rotation, position, focal, height, width)

    with torch.no_grad():
        visible = _visible(*footprints(means, quaternions, scales), near, height, width)
    indices = visible.nonzero().squeeze(-1)
    screen, depths, covariance, area = footprints(means[indices], quaternions[indices], scales[indices])
    p, q, r = covariance.unbind(-1)
    determinant = _determinant(p, r, area)
    conics = torch.stack([r + LOW_PASS, -q, p + LOW_PASS], dim=-1) / determinant[:, None]
    deviations = (torch.stack([p, r], dim=-1) + LOW_PASS).sqrt().detach()
    radii = (RADIUS * _largest_deviation(p, q, r)).ceil().detach()
    return Projected(
        means=spread(screen, indices, len(means)),
        depths=spread(depths, indices, len(means)),
        conics=spread(conics, indices, len(means)),
        compensation=spread(area / determinant.sqrt(), indices, len(means)),
        deviations=spread(deviations, indices, len(means)),
        radii=spread(radii, indices, len(means)),
        visible=visible,
        height=height,
        width=width,
    )


def _project(
    means: Tensor,
    quaternions: Tensor,
    scales: Tensor,
    rotation: Tensor,
    position: Tensor,
    focal: float,
    height: int,
    width: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Screen means [n, 2], depths [n], covariance (p, q, r) of [[p, q], [q, r]] without low-pass [n, 3], its area [n].

    The covariance is A A^T with A [2, 3] = J W R S; the area, the root of its determinant, is |A_0 x A_1|, which stays
    exact for needles where p r - q^2 cancels.
    """
    x, y, z = ((means - position) @ rotation.T).unbind(-1)
    slope_x, slope_y = x / z, y / z
    screen = torch.stack([focal * slope_x + width / 2, focal * slope_y + height / 2], dim=-1)
    limit_x, limit_y = GUARD * width / (2 * focal), GUARD * height / (2 * focal)
    axes = rotation @ (rotation_matrices(quaternions) * scales[:, None, :])
    right, down, forward = axes.unbind(1)
    first = (focal / z)[:, None] * (right - slope_x.clamp(-limit_x, limit_x)[:, None] * forward)
    second = (focal / z)[:, None] * (down - slope_y.clamp(-limit_y, limit_y)[:, None] * forward)
    covariance = torch.stack([(first * first).sum(-1), (first * second).sum(-1), (second * second).sum(-1)], dim=-1)
    return screen, z, covariance, torch.linalg.cross(first, second).norm(dim=-1)


def _visible(
    screen: Tensor, depths: Tensor, covariance: Tensor, area: Tensor, near: float, height: int, width: int
) -> Bool[Tensor, " n"]:
    p, _, r = covariance.unbind(-1)
    reach_x, reach_y = OPAQUE_DEVIATIONS * (p + LOW_PASS).sqrt(), OPAQUE_DEVIATIONS * (r + LOW_PASS).sqrt()
    u, v = screen.unbind(-1)
    inside = (u + reach_x > 0) & (u - reach_x < width) & (v + reach_y > 0) & (v - reach_y < height)
    return (depths > near) & inside & _determinant(p, r, area).isfinite()


def _determinant(p: Tensor, r: Tensor, area: Tensor) -> Tensor:
    """Of the covariance with low-pass; at least LOW_PASS^2."""
    return area.square() + LOW_PASS * (p + r) + LOW_PASS**2


def _largest_deviation(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
    return ((p + r) / 2 + LOW_PASS + torch.hypot((p - r) / 2, q)).sqrt()


def spread(rows: Tensor, indices: Int[Tensor, " k"], count: int) -> Tensor:
    return rows.new_zeros(count, *rows.shape[1:]).index_put((indices,), rows)


def composite(
    projected: Projected, opacities: Float[Tensor, " n"], features: Float[Tensor, "n k"]
) -> tuple[Float[Tensor, "h w k"], Float[Tensor, "h w"]]:
    """Sums of w f and of w, front to back; the last feature is the depth, which disks have anew at each pixel."""
    rendered = projected.visible & (opacities >= LEAST_ALPHA)
    order = torch.argsort(projected.depths.detach(), stable=True)
    order = order[rendered[order]]
    margin = (1.01 * reach(opacities[order]))[:, None] * projected.deviations[order] + 0.5
    low, high = projected.means[order] - margin, projected.means[order] + margin
    shapes = projected.conics if projected.transforms is None else projected.transforms
    gaussians = (projected.means, shapes, opacities, features)
    draw = _draw_gaussians if projected.transforms is None else _draw_disks
    bands = []
    for top in range(0, projected.height, TILE):
        rows, band = slice(top, min(top + TILE, projected.height)), []
        for left in range(0, projected.width, TILE):
            columns = slice(left, min(left + TILE, projected.width))
            near = (low < low.new_tensor([columns.stop, rows.stop])) & (high > high.new_tensor([left, top]))
            listed = order[near.all(dim=-1)]
            pixels = _pixel_centres(rows, columns, features)
            block = checkpoint(draw, pixels, *(tensor[listed] for tensor in gaussians), use_reentrant=False)
            band.append(block.reshape(rows.stop - top, columns.stop - left, -1))
        bands.append(torch.cat(band, dim=1))
    image = torch.cat(bands)
    return image[..., :-1], image[..., -1]


def reach(opacities: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Standard deviations at which a Gaussian falls below the cut: o exp(-r^2 / 2) = 1/255."""
    return (2 * (opacities.detach() / LEAST_ALPHA).clamp(min=1).log()).sqrt()


def _pixel_centres(rows: slice, columns: slice, like: Tensor) -> Float[Tensor, "pixels 2"]:
    v = torch.arange(rows.start, rows.stop, device=like.device, dtype=like.dtype) + 0.5
    u = torch.arange(columns.start, columns.stop, device=like.device, dtype=like.dtype) + 0.5
    return torch.stack(torch.meshgrid(u, v, indexing="xy"), dim=-1).reshape(-1, 2)


def _draw_gaussians(
    pixels: Float[Tensor, "pixels 2"],
    means: Float[Tensor, "m 2"],
    conics: Float[Tensor, "m 3"],
    opacities: Float[Tensor, " m"],
    features: Float[Tensor, "m k"],
) -> Float[Tensor, "pixels k_plus_one"]:
    """One block, its Gaussians in the order of depth; the last channel is the opacity."""
    x, y = (pixels[:, None, :] - means).unbind(-1)
    a, b, c = conics.unbind(-1)
    weights = _weights(opacities * torch.exp(-(a * x * x + c * y * y) / 2 - b * x * y))
    return torch.cat([weights @ features, weights.sum(dim=-1, keepdim=True)], dim=-1)


def _draw_disks(
    pixels: Float[Tensor, "pixels 2"],
    means: Float[Tensor, "m 2"],
    transforms: Float[Tensor, "m 3 3"],
    opacities: Float[Tensor, " m"],
    features: Float[Tensor, "m k"],
) -> Float[Tensor, "pixels k_plus_one"]:
    """The same for disks.

    The place (a, b, 1) seen at (x, y) is normal to T_x - x T_z and T_y - y T_z, hence along their cross product. Where
    the ray runs along the disk, that is where a or b would be 10^6, it is the low-pass alone that is seen.
    """
    across, down, depth = (row[None] for row in transforms.unbind(1))
    offset = pixels[:, None, :] - means
    place = torch.linalg.cross(across - offset[..., :1] * depth, down - offset[..., 1:] * depth)
    edge_on = 1e6 * place[..., 2].abs() <= place[..., :2].abs().amax(dim=-1)
    a, b = (place[..., :2] / torch.where(edge_on, 1.0, place[..., 2])[..., None]).unbind(-1)
    z = a * depth[..., 0] + b * depth[..., 1] + depth[..., 2]
    on_disk = a * a + b * b
    on_screen = offset.square().sum(dim=-1) / DISK_LOW_PASS
    by_screen = edge_on | (z <= 0) | (on_screen < on_disk)
    weights = _weights(opacities * torch.exp(-torch.where(by_screen, on_screen, on_disk) / 2))
    z = torch.where(by_screen, depth[..., 2], z)
    sums = [weights @ features[:, :-1], (weights * z).sum(dim=-1, keepdim=True), weights.sum(dim=-1, keepdim=True)]
    return torch.cat(sums, dim=-1)


def _weights(alpha: Float[Tensor, "pixels m"]) -> Float[Tensor, "pixels m"]:
    """Cut, clamped and composited.

    Once a product of (1 - alpha) has fallen below the least transmittance it stays below, so that a comparison of each
    with the threshold is the same as stopping at the first.
    """
    alpha = alpha.clamp(max=MOST_ALPHA)
    alpha = torch.where(alpha >= LEAST_ALPHA, alpha, 0.0)
    after = (1 - alpha).cumprod(dim=-1)
    before = torch.nn.functional.pad(after[:, :-1], (1, 0), value=1.0)
    return torch.where(after >= LEAST_TRANSMITTANCE, alpha * before, 0.0)
