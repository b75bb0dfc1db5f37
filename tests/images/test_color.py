"""The sRGB transfer function."""

import pytest
import torch

from maquette.images.color import linear_to_srgb, srgb_to_linear


def test_both_directions_undo_each_other():
    stored = torch.linspace(0, 1, 256, dtype=torch.float64)
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(stored)), stored, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("byte", "light"), [(10, 0.0030353), (11, 0.0033465), (119, 0.1844750), (188, 0.5028865)])
def test_published_bytes_stand_for_published_light(byte, light):
    assert float(srgb_to_linear(torch.tensor(byte / 255))) == pytest.approx(light, rel=1e-4)


def test_gradients_are_finite_even_at_black_and_beyond_white():
    light = torch.tensor([-0.1, 0.0, 0.002, 0.5, 1.0, 2.0], requires_grad=True)
    linear_to_srgb(light).sum().backward()
    assert torch.isfinite(light.grad).all() and float(light.grad[3]) > 0 and float(light.grad[5]) == 0
