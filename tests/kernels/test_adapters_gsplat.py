"""The gsplat adapter's conversions, with gsplat's own torch code in place of its CUDA code.

`pip install gsplat` brings plain Python. Its torch functions of projection and of tiles go by the same conventions; the
last step, the sum over a tile's Gaussians, has a few lines here, from the definition in gsplat's documentation.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from maquette.errors import ConfigError
from maquette.kernels.rotations import rotation_matrices
from maquette.kernels.splatting import gsplat_cuda, project, reference

gsplat = pytest.importorskip("gsplat", reason="gsplat is not installed")
torch_code = pytest.importorskip("gsplat.cuda._torch_impl")

HEIGHT, WIDTH, FOCAL = 20, 25, 30.0


def cloud() -> list[Tensor]:
    """Means, quaternions, scales, opacities, colours; one unturned, one behind the camera, one far out, one faint."""
    keyed = torch.Generator().manual_seed(0)
    means = 0.4 * torch.randn(40, 3, generator=keyed)
    quaternions = torch.randn(40, 4, generator=keyed)
    quaternions[0], means[1], means[2] = 0.0, torch.tensor([0.0, 0.0, 9.0]), torch.tensor([50.0, 0.0, 0.0])
    scales = 0.08 * (0.5 * torch.randn(40, 3, generator=keyed)).exp()
    opacities = 0.98 * torch.rand(40, generator=keyed)  # under both clamps of alpha, 0.99 and 0.999
    opacities[3] = 1e-3
    return [means, quaternions, scales, opacities, torch.randn(40, 3, generator=keyed)]


def camera() -> Tensor:
    c2w = torch.eye(4)
    c2w[:3, :3] = rotation_matrices(torch.tensor([[0.9, 0.1, -0.2, 0.05]]))[0]
    c2w[:3, 3] = c2w[:3, 2] * 2.5
    return c2w


def fully_fused_projection(means, covars, quats, scales, viewmats, Ks, width, height, **options):
    covariances, _ = torch_code._quat_scale_to_covar_preci(quats, scales, True, False)
    return torch_code._fully_fused_projection(means, covariances, viewmats, Ks, width, height, **options)


def rasterize_to_pixels(means, conics, colors, opacities, width, height, tile_size, offsets, ids):
    """Front to back over each tile's list: sigma, alpha = min(0.999, o exp(-sigma)) >= 1/255, next T > 1e-4."""
    _, down, across = offsets.shape
    ends = torch.cat([offsets.flatten()[1:], torch.tensor([len(ids)])]).reshape(down, across)
    image = colors.new_zeros(height, width, colors.shape[-1] + 1)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    for row, column in torch.cartesian_prod(torch.arange(down), torch.arange(across)).tolist():
        here = (rows // tile_size == row) & (columns // tile_size == column)
        listed = ids[offsets[0, row, column] : ends[row, column]].long()
        x, y = (torch.stack([columns, rows], dim=-1)[here][:, None] + 0.5 - means[0, listed]).unbind(-1)
        a, b, c = conics[0, listed].unbind(-1)
        alpha = (opacities[0, listed] * torch.exp(-(a * x * x + c * y * y) / 2 - b * x * y)).clamp(max=0.999)
        alpha = torch.where(alpha >= 1 / 255, alpha, 0.0)
        after = (1 - alpha).cumprod(dim=-1)
        weight = torch.where(after > 1e-4, alpha * torch.nn.functional.pad(after[:, :-1], (1, 0), value=1.0), 0.0)
        values = torch.cat([colors[0, listed], torch.ones(len(listed), 1)], dim=-1)
        image = image.index_put((rows[here], columns[here]), weight @ values)
    return image[None, ..., :-1], image[None, ..., -1:]


@pytest.fixture(autouse=True)
def _torch_instead_of_cuda(monkeypatch):
    monkeypatch.setattr(gsplat, "fully_fused_projection", fully_fused_projection)
    monkeypatch.setattr(gsplat, "isect_tiles", torch_code._isect_tiles)
    monkeypatch.setattr(gsplat, "isect_offset_encode", torch_code._isect_offset_encode)
    monkeypatch.setattr(gsplat, "rasterize_to_pixels", rasterize_to_pixels)


def projected(module, means: Tensor, quaternions: Tensor, scales: Tensor):
    rotation = (camera()[:3, :3] * torch.tensor([1.0, -1.0, -1.0])).T
    return module.project(means, quaternions, scales, rotation, camera()[:3, 3], FOCAL, HEIGHT, WIDTH, 0.01)


def test_footprints_equal_the_reference():
    found, expected = (projected(module, *cloud()[:3]) for module in (gsplat_cuda, reference))
    assert expected.visible.sum() > 30 and not expected.visible[1:3].any()
    assert torch.equal(found.visible, expected.visible)
    for name in ("means", "depths", "conics", "compensation", "deviations", "radii"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-3, atol=1e-4)


def test_gradients_through_the_footprints_equal_the_reference():
    gradients = []
    for module in (gsplat_cuda, reference):
        leaves = [tensor.requires_grad_() for tensor in cloud()[:3]]
        view = projected(module, *leaves)
        rows = (view.means, view.depths, view.conics, view.compensation)
        sum(row.square().sum() for row in rows).backward()
        gradients.append([leaf.grad for leaf in leaves])
    for found, expected in zip(*gradients, strict=True):
        assert found.isfinite().all()
        assert (found - expected).norm() <= 1e-3 * expected.norm()


def test_the_picture_and_its_gradients_equal_the_reference():
    results = []
    for module in (gsplat_cuda, reference):
        means, quaternions, scales, opacities, colors = (tensor.requires_grad_() for tensor in cloud())
        view = projected(reference, means, quaternions, scales)
        view.means.retain_grad()
        image, opacity = module.composite(view, opacities, colors)
        (image.square().sum() + opacity.square().sum()).backward()
        leaves = (view.means, means, quaternions, scales, opacities, colors)
        results.append([image.detach(), opacity.detach(), *(leaf.grad for leaf in leaves)])
    assert results[1][1].max() > 0.9
    for found, expected in zip(*results, strict=True):
        assert (found - expected).norm() <= 1e-3 * expected.norm()


def test_disks_are_refused():
    disks = project(*cloud()[:3], camera(), FOCAL, HEIGHT, WIDTH, mode="2d", backend="reference")
    with pytest.raises(ConfigError, match="Gaussians, not disks; take 'auto' or: triton, reference"):
        gsplat_cuda.composite(disks, cloud()[3], cloud()[4])
