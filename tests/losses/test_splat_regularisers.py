"""The regularisers of 3DGS-MCMC are means of what they are called by."""

import pytest
import torch

from maquette.geometry.gaussians import Gaussians
from maquette.losses.splat_opacity import SplatOpacity
from maquette.losses.splat_scale import SplatScale


@pytest.mark.parametrize("flat", [False, True])
def test_splat_opacity_and_splat_scale_are_means(flat):
    torch.manual_seed(0)
    geometry = Gaussians(Gaussians.Config(count=8, opacity=0.25, flat=flat))
    with torch.no_grad():
        geometry.scales[:] = torch.tensor([0.1, 0.3, 0.8]).log()
    opacity, scale = (part(part.Config())(None, geometry) for part in (SplatOpacity, SplatScale))
    assert opacity.item() == pytest.approx(0.25) and scale.item() == pytest.approx(0.2 if flat else 0.4)
    (opacity + scale).backward()
    assert geometry.opacities.grad.gt(0).all() and geometry.scales.grad[:, :2].gt(0).all()


@pytest.mark.parametrize("part", [SplatOpacity, SplatScale])
def test_splat_opacity_and_splat_scale_need_gaussians(part):
    needs = part.capabilities(part.Config()).needs
    assert needs <= Gaussians.capabilities(Gaussians.Config()).gives and needs == {"geometry:splats"}
