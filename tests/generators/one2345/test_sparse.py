"""Sparse convolutions agree with dense ones where cells are active; levels pool and return to the right cells."""

import torch
from torch.nn import functional

from maquette.generators.one2345.sparse import SparseConvolution, SparseUNet, TokenLevels, Tokens


def some_active(objects: int = 2, side: int = 6) -> torch.Tensor:
    return torch.rand(objects, side, side, side, generator=torch.Generator().manual_seed(0)) < 0.3


def test_a_sparse_convolution_is_a_dense_one_of_zeros_elsewhere_read_at_the_tokens():
    torch.manual_seed(0)
    active = some_active()
    tokens, convolution = Tokens.of(active), SparseConvolution(3, 5)
    features = torch.randn(len(tokens), 3)
    b, x, y, z = tokens.cells.T
    dense = torch.zeros(2, 3, 6, 6, 6)
    dense[b, :, x, y, z] = features
    kernel = convolution.weight.detach().permute(2, 1, 0).unflatten(2, (3, 3, 3))
    expected = functional.conv3d(dense, kernel, convolution.bias.detach(), padding=1)[b, :, x, y, z]
    torch.testing.assert_close(convolution(features, tokens.neighbours()), expected, atol=1e-5, rtol=1e-5)


def test_the_gradient_of_a_sparse_convolution_is_that_of_finite_differences():
    torch.manual_seed(0)
    tokens, convolution = Tokens.of(some_active(1, 3)), SparseConvolution(2, 3).double()
    features, neighbours = torch.randn(len(tokens), 2, dtype=torch.float64, requires_grad=True), tokens.neighbours()

    def convolve(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(convolution, {"weight": weight}, (values, neighbours))

    assert torch.autograd.gradcheck(convolve, (features, convolution.weight))


def test_a_convolution_under_autocast_has_its_gradient_outside_of_it():
    tokens, convolution = Tokens.of(some_active(1, 4)), SparseConvolution(2, 3)
    features = torch.randn(len(tokens), 2, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        result = convolution(features, tokens.neighbours())
    result.float().square().sum().backward()
    half, features.grad = features.grad, None
    convolution(features, tokens.neighbours()).square().sum().backward()
    torch.testing.assert_close(half, features.grad, atol=0.1, rtol=0.1)


def test_neighbours_never_belong_to_another_object():
    tokens = Tokens.of(torch.ones(2, 2, 2, 2, dtype=torch.bool))
    neighbours = tokens.neighbours()
    owner = torch.cat([tokens.object, torch.tensor([-1])])[neighbours]
    assert ((owner == tokens.object[:, None]) | (owner == -1)).all()
    assert (neighbours[:, 13] == torch.arange(16)).all() and (neighbours < 16).sum() == 2 * 8 * 8


def test_parents_hold_their_children_and_pooling_is_their_mean():
    tokens = Tokens.of(some_active())
    levels = TokenLevels(tokens, 2)
    parents, rows = levels.tokens[1], levels.rows[0]
    assert (parents.cells[rows, 1:] == tokens.cells[:, 1:] // 2).all()
    assert (parents.object[rows] == tokens.object).all()
    pooled = levels.pooled(tokens.cells.float(), 0)
    children = tokens.cells[rows == 3].float()
    torch.testing.assert_close(pooled[3], children.mean(0))


def test_what_the_network_says_of_an_object_does_not_depend_on_the_others_of_the_batch():
    torch.manual_seed(0)
    network = SparseUNet(4, 6, (8, 16), 8, (1, 1), last=2)
    torch.nn.init.normal_(network.leave.weight)
    active = some_active(2)
    tokens = Tokens.of(active)
    features, last = torch.randn(len(tokens), 4), torch.randn(len(tokens), 2)
    context, timestep = torch.randn(2, 8), torch.tensor([3, 700])
    both = network(features, TokenLevels(tokens, 2), context, timestep, last)
    second = tokens.object == 1
    alone = Tokens.of(active[1:])
    single = network(features[second], TokenLevels(alone, 2), context[1:], timestep[1:], last[second])
    torch.testing.assert_close(both[second], single, atol=1e-5, rtol=1e-5)
