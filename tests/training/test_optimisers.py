"""Muon makes orthogonal steps for matrices and leaves the rest to AdamW; AdamUniform has one step size for a tensor."""

import pytest
import torch

from maquette.training.optimisers import OPTIMISERS, Muon, orthogonalise


def test_orthogonalised_keeps_the_singular_vectors_and_levels_the_singular_values():
    torch.manual_seed(0)
    matrix = torch.randn(24, 90)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    other = torch.randn(24, 90)
    found, beside = orthogonalise(torch.stack([matrix, other]))
    torch.testing.assert_close(beside, orthogonalise(other[None])[0], atol=1e-5, rtol=1e-5)
    inner = u.T @ found @ v.T  # diagonal if the singular vectors are the same
    assert (inner - torch.diag(inner.diagonal())).abs().max() < 1e-3
    assert inner.diagonal().min() > 0.6 and inner.diagonal().max() < 1.25
    torch.testing.assert_close(orthogonalise(matrix.T.contiguous()[None])[0], found.T, atol=1e-4, rtol=1e-4)


def test_a_step_has_adams_size_and_the_gradients_direction():
    torch.manual_seed(0)
    kernel = torch.nn.Parameter(torch.zeros(16, 8, 3, 3))
    optimiser = Muon([{"params": [kernel], "orthogonal": True}], lr=0.01, weight_decay=0.0)
    gradient = torch.randn_like(kernel)
    kernel.grad = gradient.clone()
    optimiser.step()
    assert float((kernel.detach() * gradient).sum()) < 0
    assert 0.15 < float(kernel.detach().square().mean().sqrt()) / 0.01 < 0.25


def test_matrices_of_one_shape_step_together_as_each_would_alone():
    torch.manual_seed(0)
    start = [torch.randn(16, 8, 3, 3).to(memory_format=torch.channels_last), torch.randn(16, 72), torch.randn(8, 24)]
    gradients = [[torch.randn_like(one) for one in start] for _ in range(2)]
    together = [torch.nn.Parameter(one.clone()) for one in start]
    alone = [torch.nn.Parameter(one.clone()) for one in start]
    optimisers = [
        Muon([{"params": parameters, "orthogonal": True}], lr=0.01)
        for parameters in (together, *([one] for one in alone))
    ]
    for step in gradients:
        for parameters in (together, alone):
            for parameter, gradient in zip(parameters, step, strict=True):
                parameter.grad = gradient.clone()
        for optimiser in optimisers:
            optimiser.step()
    for ours, theirs in zip(together, alone, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_other_groups_step_exactly_as_adamw_does():
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(5)) for _ in range(2))
    matrix = torch.nn.Parameter(torch.eye(4))
    settings = {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.01}
    muon = Muon([{"params": [matrix], "orthogonal": True}, {"params": [ours], "orthogonal": False}], **settings)
    adamw = torch.optim.AdamW([theirs], **settings)
    for _ in range(3):
        ours.grad = theirs.grad = torch.randn(5)
        matrix.grad = torch.randn(4, 4)
        muon.step()
        adamw.step()
    assert torch.equal(ours, theirs)
    assert not torch.equal(matrix, torch.eye(4))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_goes_downhill(name):
    place = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    groups = [{"params": [place], "lr": 0.1, "orthogonal": False}]
    optimiser = OPTIMISERS[name](groups, betas=(0.9, 0.99), eps=1e-15, weight_decay=0.0)
    for _ in range(100):
        optimiser.zero_grad()
        place.square().sum().backward()
        optimiser.step()
    assert place.abs().max() < 0.5


def test_adam_uniform_keeps_the_direction_of_the_gradient():
    torch.manual_seed(0)
    points = torch.nn.Parameter(torch.zeros(50))
    gradient = torch.rand(50) + 0.5
    optimiser = OPTIMISERS["adam-uniform"]([{"params": [points]}], lr=0.1, betas=(0.8, 0.95))
    for _ in range(3):
        points.grad = gradient.clone()
        optimiser.step()
    size = gradient.square().mean().sqrt()
    torch.testing.assert_close(points.detach(), -3 * 0.1 * gradient / size)


def test_adam_uniform_counts_only_components_with_a_gradient_and_limits_a_move():
    points = torch.nn.Parameter(torch.zeros(1000))
    optimiser = OPTIMISERS["adam-uniform"]([{"params": [points]}], lr=0.1)
    points.grad = torch.zeros(1000)
    points.grad[:10] = 1
    points.grad[10:110] = 0.01
    optimiser.step()
    root_mean_square = ((10 + 100 * 1e-4) / 110) ** 0.5
    assert float(points.detach()[200]) == 0
    assert float(points.detach()[50]) == pytest.approx(-0.1 * 0.01 / root_mean_square, rel=1e-3)
    assert float(points.detach()[0]) == pytest.approx(-0.1 * min(1 / root_mean_square, 3), rel=1e-3)
