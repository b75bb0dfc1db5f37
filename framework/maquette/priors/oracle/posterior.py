"""Posterior of the pictures of a finite set given noisy pictures: Bayes' rule, in logarithms and float64."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 1 << 22  # numbers of the set that are converted to float64 at a time


def log_likelihoods(
    noisy: Float[Tensor, "B D"],
    clean: Float[Tensor, "N D"],
    alpha: Float[Tensor, " B"],
    variance: Float[Tensor, " B"],
) -> Float[Tensor, "B N"]:
    """log N(z_b; alpha_b x_i, variance_b I) up to a term that depends on b alone.

    -|z - alpha x|^2 / (2 variance), with |z|^2 left out: (alpha <z, x> - alpha^2 |x|^2 / 2) / variance. At low noise
    two large terms nearly cancel here, hence float64; the set is converted block by block.
    """
    noisy, alpha, variance = noisy.double(), alpha.double()[:, None], variance.double()[:, None]
    rows = max(1, BLOCK // clean.shape[1])
    products, norms = [], []
    for block in clean.split(rows):
        block = block.double()
        products.append(noisy @ block.T)
        norms.append(block.square().sum(dim=1))
    return (alpha * torch.cat(products, dim=1) - 0.5 * alpha.square() * torch.cat(norms)) / variance


def logsumexp_by(values: Float[Tensor, "B N"], owner: Int[Tensor, " N"], count: int) -> Float[Tensor, "B J"]:
    """log of the sum of exp(values) over the columns of each owner; -inf if all of them are -inf.

    Example:
        >>> logsumexp_by(torch.zeros(1, 4), torch.tensor([0, 0, 0, 1]), 2).exp()
        tensor([[3., 1.]])
    """
    index = owner.expand_as(values)
    top = values.new_full((len(values), count), -torch.inf).scatter_reduce(1, index, values, "amax")
    top = torch.where(top.isfinite(), top, 0)
    return values.new_zeros(top.shape).scatter_add(1, index, (values - top.gather(1, index)).exp()).log() + top


def responsibilities(
    probability: Float[Tensor, "B N"],
    log_likelihood: Float[Tensor, "B N"],
    owner: Int[Tensor, " N"],
    count: int,
    joint: int,
) -> Float[Tensor, "B N"]:
    """The posterior probability of every picture, for groups of `joint` consecutive rows that show one object.

    The rows b of a group share the object j; given j, the pictures i of the rows are independent:
    p(j | group) ~ p(j) prod_b sum_(i of j) p(i | j) p(z_b | i), and p(i | b) = p(j | group) p(i | j, z_b).

    Args:
        prior: prior probability p(i) for each row, 0 allowed; p(j) is its sum over the pictures of j, and the geometric
            mean of these sums over the group.
        log_likelihood: log p(z_b | i), up to a term per row.
        owner: the object of each picture, 0 to count - 1.
        joint: rows per group; B is a multiple of it. 1: rows are independent.
    """
    log_probability = probability.log()
    of_object = logsumexp_by(log_probability, owner, count)
    both = log_probability + log_likelihood
    evidence = logsumexp_by(both, owner, count)
    possible = of_object > -torch.inf
    likelihood = torch.where(possible, evidence - of_object, 0)  # log p(z_b | j)
    groups = (-1, joint, count)
    log_object = (of_object.view(groups).mean(dim=1) + likelihood.view(groups).sum(dim=1)).log_softmax(dim=1)
    within = torch.where(probability > 0, both - evidence[:, owner], -torch.inf)  # log p(i | j, z_b)
    return (within + log_object.repeat_interleave(joint, dim=0)[:, owner]).exp()
