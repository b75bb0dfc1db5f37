"""Means with intervals, and differences of ways over the same cases."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from maquette.bench.statistics import mean_with_interval, paired_difference
from maquette.bench.tables import beyond_chance


def test_the_interval_is_that_of_scipys_bootstrap():
    values = np.random.default_rng(1).normal(3, 2, 40)
    facts = mean_with_interval(values.tolist())
    expected = bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(2))
    assert facts["mean"] == pytest.approx(values.mean(), abs=1e-4)
    assert facts["interval_95"] == pytest.approx(list(expected.confidence_interval), abs=0.06)


def test_paired_differences_are_surer_than_the_spread_of_the_cases():
    theirs = np.random.default_rng(0).normal(0, 10, 30)
    ours = theirs + np.random.default_rng(1).normal(1, 0.5, 30)
    facts = paired_difference(ours.tolist(), theirs.tolist())
    assert facts["interval_95"][0] > 0.5 and facts["larger"] > 25 and facts["of"] == 30
    assert mean_with_interval(ours.tolist())["interval_95"][0] < 0


def test_small_numbers_keep_their_sign_and_their_digits():
    ours, theirs = np.full(6, 4.1234e-5) + np.arange(6) * 1e-6, np.full(6, 1e-5)
    facts = paired_difference(ours.tolist(), theirs.tolist())
    assert facts["mean"] == 3.373e-5 and beyond_chance(facts)
    assert mean_with_interval([0.12345678])["mean"] == 0.1235


def test_differences_from_the_order_of_a_sum_are_none():
    facts = paired_difference([0.1 + 0.2] * 6, [0.3] * 6)
    assert facts["interval_95"] == [0.0, 0.0] and not beyond_chance(facts)
