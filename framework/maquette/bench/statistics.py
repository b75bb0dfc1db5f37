"""Means over the cases of a benchmark with bootstrap intervals, and paired differences of two ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000
DIGITS = 4  # behind the point of means and bounds
SMALL = 1e-3  # a smaller number has as many significant digits instead, so that it keeps its sign
NOISE = 1e-12  # of a mean that is 0, from the order of its sum; over the largest value


def resampled_means(columns: Float[np.ndarray, "M N"]) -> Float[np.ndarray, "R M"]:
    """Means of M columns of one value per case, over R bootstrap resamples of the N cases that the columns share.

    Row r of all columns is of the same draw of cases, so that the difference of two columns is a paired one. A column
    alone has the interval of `mean_with_interval`.
    """
    cases = columns.shape[1]
    draws = np.random.default_rng(0).integers(0, cases, (RESAMPLES, cases))
    weights = np.zeros((RESAMPLES, cases))
    np.add.at(weights, (np.arange(RESAMPLES)[:, None], draws), 1 / cases)
    return weights @ columns.T


def mean_with_interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean of one value per case, with its 95 % percentile bootstrap interval over cases; four digits of each.

    Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", sec. 13.3.

    Example:
        >>> mean_with_interval([2.0, 2.0, 2.0])
        {'mean': 2.0, 'interval_95': [2.0, 2.0]}
    """
    column = np.asarray(values, float)
    return _with_interval(column, NOISE * float(np.abs(column).max(initial=0.0)))


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Mean of ours - theirs over the same cases, with its interval, and how often ours is the larger one.

    Example:
        >>> paired_difference([3.0, 5.0], [2.0, 4.0])
        {'mean': 1.0, 'interval_95': [1.0, 1.0], 'larger': 2, 'of': 2}
    """
    pair = np.stack([np.asarray(ours, float), np.asarray(theirs, float)])
    differences = pair[0] - pair[1]
    facts = _with_interval(differences, NOISE * float(np.abs(pair).max(initial=0.0)))
    return facts | {"larger": int((differences > 0).sum()), "of": len(differences)}


def _with_interval(column: Float[np.ndarray, " N"], noise: float) -> dict[str, Any]:
    means = np.random.default_rng(0).choice(column, (RESAMPLES, len(column))).mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    mean, low, high = (_rounded(float(number), noise) for number in (column.mean(), low, high))
    return {"mean": mean, "interval_95": [low, high]}


def _rounded(number: float, noise: float) -> float:
    if abs(number) <= noise:
        return 0.0
    return float(f"{number:.{DIGITS}g}") if abs(number) < SMALL else round(number, DIGITS)
