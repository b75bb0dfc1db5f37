"""The tables of the split-sum approximation."""

import math

import pytest
import torch

from maquette.images.environment import latlong_directions, solid_angles
from maquette.materials._split_sum import ROUGHNESS_STEPS, blur_kernels, blur_panorama, brdf_table


def test_the_table_of_a_mirror_is_one_and_schlicks_term():
    table = brdf_table(16)
    facing = torch.linspace(0, 1, 16)
    torch.testing.assert_close(table[0, 1:, 1], ((1 - facing) ** 5)[1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(table[0].sum(-1), torch.ones(16))


def test_the_table_head_on_at_roughness_one_is_one_minus_ln_2():
    assert float(brdf_table(4)[-1, -1].sum()) == pytest.approx(1 - math.log(2), abs=1e-4)


def test_nothing_reflects_more_than_arrives():
    assert float(brdf_table(16).sum(-1).max()) <= 1 + 1e-6


def test_constant_light_stays_constant():
    blurred = blur_panorama(torch.full((12, 24, 3), 0.3), blur_kernels(12))
    torch.testing.assert_close(blurred, torch.full((ROUGHNESS_STEPS + 2, 12, 24, 3), 0.3))


def test_the_first_map_is_the_light_itself_and_later_ones_are_ever_smoother():
    torch.manual_seed(0)
    panorama = torch.rand(16, 32, 3)
    blurred = blur_panorama(panorama, blur_kernels(16))
    spread = blurred.std(dim=(1, 2)).mean(-1)
    assert torch.equal(blurred[0], panorama)
    assert (spread[:-1].diff() < 0).all()


def test_the_last_map_is_irradiance_over_pi():
    # light L = 1 + z has irradiance pi (1 + 2/3 n_z)
    towards = latlong_directions(32)
    irradiance = blur_panorama(1 + towards[..., 2:], blur_kernels(32))[-1, ..., 0] * math.pi
    torch.testing.assert_close(irradiance, math.pi * (1 + 2 / 3 * towards[..., 2]), atol=5e-3, rtol=0)


def test_blurring_is_a_mean_over_directions_weighed_by_the_angle_between_them():
    # roughness one: D is constant and G_2 = 2 c / (1 + c), anywhere on the sphere
    height = 12
    torch.manual_seed(0)
    panorama = torch.rand(height, 2 * height, 1)
    fine = latlong_directions(4 * height)
    for row, column in ((0, 5), (6, 0), (9, 23)):
        cosine = (fine @ latlong_directions(height)[row, column]).clamp(min=0)
        weight = 2 * cosine / (1 + cosine) * solid_angles(4 * height, 8 * height)[:, None]
        light = panorama[..., 0].repeat_interleave(4, 0).repeat_interleave(4, 1)
        found = blur_panorama(panorama, blur_kernels(height))[ROUGHNESS_STEPS, row, column, 0]
        assert float(found) == pytest.approx(float((light * weight).sum() / weight.sum()), rel=1e-4)
