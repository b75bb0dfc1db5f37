"""The nvdiffrast adapter's conversions, against a stand-in written from nvdiffrast's documentation.

nvdiffrast runs on CUDA only. The stand-in keeps its documented conventions (bottom row first, triangles counted from 1,
no gradient of depth) with a rasteriser of a few lines, so that what is tested is the adapter, and not nvdiffrast.
"""

from __future__ import annotations

import sys
import types

import pytest
import torch
from torch import Tensor

from maquette.kernels.rasterise import nvdiffrast_cuda, reference

HEIGHT, WIDTH = 7, 9
TRIANGLES = torch.tensor([[0, 1, 2], [2, 1, 3]])


def tilted_quad() -> Tensor:
    """Two triangles in perspective, higher on the right, with w from 1 to 2."""
    corners = [[-0.8, -0.9, 0.1, 1.0], [1.5, -0.7, 0.3, 1.6], [-0.7, 0.5, 0.2, 1.2], [1.8, 1.9, 0.9, 2.0]]
    return torch.tensor([corners])


class Documented(types.ModuleType):
    """nvdiffrast.torch as its documentation has it, for vertices in front of the camera."""

    @staticmethod
    def RasterizeCudaContext(device=None):
        return device

    @staticmethod
    def rasterize(glctx, pos, tri, resolution, ranges=None, grad_db=True):
        assert pos.is_contiguous() and tri.dtype == torch.int32
        height, width = resolution
        y, x = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij")
        centre = torch.stack([2 * x - 1, 2 * y - 1], dim=-1).requires_grad_()  # row 0 is the bottom row
        raster, derivatives = torch.zeros(1, height, width, 4), torch.zeros(1, height, width, 4)
        for number, face in enumerate(tri.long().tolist()):
            corners = pos[0, face]
            on_screen = torch.cat([corners[:, :2] / corners[:, 3:], torch.ones(3, 1)], dim=-1)
            flat = torch.cat([centre, torch.ones(height, width, 1)], dim=-1) @ torch.linalg.inv(on_screen)
            weight = flat / corners[:, 3]
            uv = (weight / weight.sum(dim=-1, keepdim=True))[..., :2]
            z = (flat * corners[:, 2] / corners[:, 3]).sum(dim=-1, keepdim=True).detach()
            pixel = torch.cat([uv, z, torch.full_like(z, number + 1)], dim=-1)
            inside = (flat > 0).all(dim=-1)[None, ..., None]
            slopes = [torch.autograd.grad(uv[..., k].sum(), centre, retain_graph=True)[0] for k in (0, 1)]
            slope = torch.cat([each * torch.tensor([2 / width, 2 / height]) for each in slopes], dim=-1)
            raster, derivatives = torch.where(inside, pixel, raster), torch.where(inside, slope, derivatives)
        return raster, derivatives

    @staticmethod
    def interpolate(attr, rast, tri, rast_db=None, diff_attrs=None):
        covered = rast[..., 3] > 0
        corners = attr[0, tri.long()[(rast[..., 3].long() - 1).clamp(min=0)]]
        weights = torch.cat([rast[..., :2], 1 - rast[..., :2].sum(dim=-1, keepdim=True)], dim=-1)
        return torch.where(covered[..., None], (weights[..., None] * corners).sum(dim=-2), 0.0), None

    @staticmethod
    def texture(tex, uv, uv_da=None, mip_level_bias=None, mip=None, filter_mode="auto", boundary_mode="wrap"):
        """Nearest texels of the level that the bias names; the choice of arguments is what matters here."""
        levels = [tex, *(mip or [])]
        picked = torch.zeros_like(uv[..., 0]) if mip_level_bias is None else mip_level_bias
        coordinate = uv % 1 if boundary_mode == "wrap" else uv.clamp(0, 1)
        images = [_nearest(level[0], coordinate) for level in levels]
        row, column = torch.arange(uv.shape[1])[:, None], torch.arange(uv.shape[2])
        return torch.stack(images)[picked.round().long(), torch.arange(len(uv))[:, None, None], row, column]

    @staticmethod
    def antialias(color, rast, pos, tri, topology_hash=None, pos_gradient_boost=1.0):
        """One blend: the picture's bottom row, row 0, takes half of the row above it where a triangle is seen."""
        blended = color.clone()
        blended[:, 0] = torch.where(rast[:, 0, :, 3:] > 0, (color[:, 0] + color[:, 1]) / 2, color[:, 0])
        return blended


def _nearest(image: Tensor, uv: Tensor) -> Tensor:
    height, width, _ = image.shape
    column = (uv[..., 0] * width).floor().long().clamp(0, width - 1)
    row = (uv[..., 1] * height).floor().long().clamp(0, height - 1)  # row 0 is at v = 0
    return image[row, column]


@pytest.fixture(autouse=True)
def _documented(monkeypatch):
    package, module = types.ModuleType("nvdiffrast"), Documented("nvdiffrast.torch")
    package.torch = module
    monkeypatch.setitem(sys.modules, "nvdiffrast", package)
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", module)


def test_the_raster_equals_the_reference():
    found = nvdiffrast_cuda.rasterise(tilted_quad(), TRIANGLES, HEIGHT, WIDTH)
    expected = reference.rasterise(tilted_quad(), TRIANGLES, HEIGHT, WIDTH)
    assert (expected[0] >= 0).sum() > 15 and (expected[0] < 0).any() and found[0].dtype == torch.int32
    assert not torch.equal(expected[0], expected[0].flip(1))
    for actual, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-4, atol=1e-5)


def test_gradients_of_barycentrics_and_depth_equal_the_reference():
    gradients = []
    for module in (nvdiffrast_cuda, reference):
        clip = tilted_quad().requires_grad_()
        _, uv, depth = module.rasterise(clip, TRIANGLES, HEIGHT, WIDTH)
        (uv.square().sum() + depth.square().sum()).backward()
        gradients.append(clip.grad)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


def test_derivatives_by_pixel_equal_the_reference():
    triangle, *_ = reference.rasterise(tilted_quad(), TRIANGLES, HEIGHT, WIDTH)
    found, expected = (
        module.raster_derivatives(tilted_quad(), TRIANGLES, triangle) for module in (nvdiffrast_cuda, reference)
    )
    assert expected[..., 1].abs().max() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("total", [0.0, 1.0])
def test_interpolation_equals_the_reference(total):
    triangle, uv, _ = reference.rasterise(tilted_quad(), TRIANGLES, HEIGHT, WIDTH)
    attributes = torch.arange(12.0).reshape(1, 4, 3).sin()
    found, expected = (
        module.interpolate(attributes, triangle, uv, TRIANGLES, total) for module in (nvdiffrast_cuda, reference)
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("repeat", [True, False])
def test_a_texture_goes_in_with_its_levels(repeat):
    keyed = torch.Generator().manual_seed(0)
    levels = [torch.rand(1, side * 2, side, 3, generator=keyed) for side in (4, 2, 1)]
    texels = torch.cat([level.flatten(1, 2) for level in levels], dim=1)
    sizes = torch.tensor([level.shape[1:3] for level in levels])
    uv = torch.rand(1, HEIGHT, WIDTH, 2, generator=keyed) * 1.5 - 0.25
    level = torch.randint(0, 3, (1, HEIGHT, WIDTH), generator=keyed).float()
    found = nvdiffrast_cuda.sample_texture(texels, sizes, uv, level, False, repeat)
    for k, image in enumerate(levels):  # whole levels, nearest texels: what the stand-in knows
        nearest = reference.sample_texture(image.flatten(1, 2), sizes[k : k + 1], uv, None, True, repeat)
        torch.testing.assert_close(found[level == k], nearest[level == k])


def test_a_pyramid_over_odd_sides_is_refused():
    texels, sizes = torch.zeros(1, 6 + 1, 3), torch.tensor([[3, 2], [1, 1]])
    with pytest.raises(ValueError, match=r"a texture of \[3, 2\] has odd ones"):
        nvdiffrast_cuda.sample_texture(texels, sizes, torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2), False, True)


def test_antialiasing_sees_the_bottom_row_first():
    triangle, _, depth = reference.rasterise(tilted_quad(), TRIANGLES, HEIGHT, WIDTH)
    color = torch.rand(1, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(0))
    smooth = nvdiffrast_cuda.antialias(color, triangle, depth, tilted_quad(), TRIANGLES, torch.zeros(2, 3).long())
    covered = triangle[:, -1, :, None] >= 0
    assert covered.any()
    torch.testing.assert_close(smooth[:, :-1], color[:, :-1])
    torch.testing.assert_close(smooth[:, -1], torch.where(covered, (color[:, -1] + color[:, -2]) / 2, color[:, -1]))


def test_float64_and_an_empty_mesh():
    with pytest.raises(ValueError, match="takes float32"):
        nvdiffrast_cuda.rasterise(tilted_quad().double(), TRIANGLES, HEIGHT, WIDTH)
    triangle, uv, depth = nvdiffrast_cuda.rasterise(tilted_quad(), TRIANGLES[:0], HEIGHT, WIDTH)
    assert (triangle == -1).all() and not uv.any() and (depth == 1).all()
