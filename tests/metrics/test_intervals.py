"""Bootstrap intervals: values worked by hand, properties, and coverage of the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.metrics import bootstrap_mean, paired_bootstrap


def test_values_that_are_all_equal_leave_no_doubt() -> None:
    interval = bootstrap_mean([0.25] * 10)
    assert (interval.mean, interval.low, interval.high) == (0.25, 0.25, 0.25)


def test_two_values_by_hand() -> None:
    # A resample of {0, 1} of size two has the mean 0, .5, .5 or 1, each a quarter: both tails reach the ends.
    interval = bootstrap_mean([0.0, 1.0], num_resamples=4000)
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.0, 1.0)
    inner = bootstrap_mean([0.0, 1.0], num_resamples=4000, confidence=0.3)
    assert (inner.low, inner.high) == (0.5, 0.5)


def test_the_width_is_that_of_the_normal_law_for_many_values() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 5000)
    interval = bootstrap_mean(values, num_resamples=2000)
    half_width = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.high - interval.mean == pytest.approx(half_width, rel=0.1)
    assert interval.mean - interval.low == pytest.approx(half_width, rel=0.1)


def test_a_small_steady_difference_is_seen_only_when_paired() -> None:
    generator = np.random.default_rng(2)
    hardness = generator.normal(0.0, 1.0, 400)
    a = hardness + 0.02 + generator.normal(0, 0.01, 400)
    paired = paired_bootstrap(a, hardness)
    assert 0.015 < paired.low < paired.mean < paired.high < 0.025
    alone = bootstrap_mean(a)
    assert alone.low < bootstrap_mean(hardness).mean < alone.high


def test_same_seed_same_interval_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).random(50)
    first = bootstrap_mean(values, seed=7)
    assert first == bootstrap_mean(values, seed=7)
    assert first != bootstrap_mean(values, seed=8)
    monkeypatch.setattr("aisle.metrics.intervals._BLOCK_VALUES", 500)
    assert bootstrap_mean(values, seed=7) == first


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.floats(-10, 10))
@settings(max_examples=50, deadline=None)
def test_the_interval_holds_the_mean_and_moves_with_the_values(values: list[float], shift: float) -> None:
    plain = bootstrap_mean(values, num_resamples=200)
    moved = bootstrap_mean(np.array(values) + shift, num_resamples=200)
    assert min(values) - 1e-9 <= plain.low <= plain.high <= max(values) + 1e-9
    assert [moved.low - shift, moved.mean - shift] == pytest.approx([plain.low, plain.mean], abs=1e-9)
    swapped = paired_bootstrap(np.zeros(len(values)), values, num_resamples=200)
    assert [swapped.mean, swapped.low, swapped.high] == pytest.approx([-plain.mean, -plain.high, -plain.low], abs=1e-9)


@pytest.mark.parametrize("values", [[], [np.nan, 1.0], [[1.0], [2.0]]])
def test_no_values_and_missing_values_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite value"):
        bootstrap_mean(values)


def test_values_of_different_lists_and_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="same lists"):
        paired_bootstrap([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="num_resamples >= 1"):
        bootstrap_mean([1.0], num_resamples=0)
    with pytest.raises(ValueError, match="confidence in"):
        bootstrap_mean([1.0], confidence=1.0)
