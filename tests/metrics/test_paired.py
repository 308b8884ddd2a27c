"""Measures as means over rows: against brute force, against the bootstrap, and against repeated samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aisle.metrics import (
    Components,
    auc,
    auc_components,
    bootstrap_mean,
    log_loss,
    log_loss_components,
    resampled_auc,
)

Floats = NDArray[np.float64]


def _rows(num_rows: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Two scores of the same rows that agree in part, and labels."""
    draw = np.random.default_rng(seed)
    label = (draw.random(num_rows) < 0.25).astype(np.float64)
    common = label + draw.normal(size=num_rows)
    return common + draw.normal(size=num_rows) * 0.5, common + draw.normal(size=num_rows) * 0.7, label


def test_components_by_hand() -> None:
    # Positives 3 and 1, negatives 2 and 1: 3 beats both, 1 ties with one; 2 beats one, 1 loses to one and ties.
    found = auc_components([3, 1, 2, 1], [1, 1, 0, 0])
    assert [part.tolist() for part in found.parts] == [[1.0, 0.25], [0.5, 0.75]]
    assert found.value == 0.625
    # Variances .28125 and .03125, each over two rows.
    assert found.standard_error == pytest.approx(math.sqrt(0.28125 / 2 + 0.03125 / 2))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_components_agree_with_comparing_each_pair(rows: list[tuple[int, bool]]) -> None:
    score, label = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    if label.min() == label.max():
        with pytest.raises(ValueError, match="expected positive and negative rows"):
            auc_components(score, label)
        return
    won = np.where(score[label == 1][:, None] > score[label == 0], 1.0, 0.0)
    won += np.where(score[label == 1][:, None] == score[label == 0], 0.5, 0.0)
    found = auc_components(score, label)
    assert found.parts[0] == pytest.approx(won.mean(axis=1))
    assert found.parts[1] == pytest.approx(won.mean(axis=0))
    assert found.value == pytest.approx(auc(score, label))
    count = np.random.default_rng(0).multinomial(len(score), np.full(len(score), 1 / len(score)), 5)
    resampled = [auc(np.repeat(score, one), np.repeat(label, one)) for one in count]
    assert resampled_auc(score, label, count) == pytest.approx(resampled, nan_ok=True)


def test_the_standard_error_of_a_difference_is_that_of_the_bootstrap() -> None:
    one, other, label = _rows(2000, seed=1)
    found = auc_components(one, label) - auc_components(other, label)
    count = np.random.default_rng(2).multinomial(2000, np.full(2000, 1 / 2000), 1000)
    differences = resampled_auc(one, label, count) - resampled_auc(other, label, count)
    assert found.value == pytest.approx(auc(one, label) - auc(other, label))
    assert found.standard_error == pytest.approx(differences.std(), rel=0.08)
    alone = auc_components(one, label).standard_error
    assert found.standard_error < alone * 0.8, "pairs cancel what both find hard"


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    def shift(seed: int) -> Components:
        one, other, label = _rows(300, seed)
        return auc_components(one, label) - auc_components(other, label)

    large = [_rows(100_000, seed) for seed in range(6)]
    truth = float(np.mean([auc(one, label) - auc(other, label) for one, other, label in large]))
    found = [shift(seed) for seed in range(100, 1600)]
    covered = [abs(one.value - truth) < 1.96 * one.standard_error for one in found]
    assert 0.93 < np.mean(covered) < 0.97


def test_log_loss_row_by_row() -> None:
    draw = np.random.default_rng(0)
    label = (draw.random(3000) < 0.3).astype(np.float64)
    probability = np.clip(0.3 + 0.2 * draw.normal(size=3000), 0.01, 0.99)
    found = log_loss_components(probability, label)
    assert found.value == pytest.approx(log_loss(probability, label))
    interval = bootstrap_mean(found.parts[0])
    assert found.standard_error == pytest.approx((interval.high - interval.low) / (2 * 1.96), rel=0.06)


def test_the_mean_of_several_seeds() -> None:
    one, other, label = _rows(500, seed=3)
    found = Components.mean([auc_components(one, label), auc_components(other, label)])
    assert found.value == pytest.approx((auc(one, label) + auc(other, label)) / 2)
    assert found.standard_error < auc_components(other, label).standard_error


def test_a_weight_counts_a_row_several_times() -> None:
    one, other, label = _rows(200, seed=4)
    one, other = one.round(1), other.round(1)  # with ties
    weight = np.random.default_rng(5).integers(0, 4, 200)
    repeated = [np.repeat(array, weight) for array in (one, other, label)]
    found = auc_components(one, label, weight) - auc_components(other, label, weight)
    assert found.value == pytest.approx(auc(repeated[0], repeated[2]) - auc(repeated[1], repeated[2]))
    probability = 1 / (1 + np.exp(-one))
    loss = log_loss_components(probability, label, weight)
    assert loss.value == pytest.approx(log_loss(probability, label, weight))
    # A row that counts three times tells no more than one row, so the error is that of rows, not of weights.
    count = np.random.default_rng(2).multinomial(200, np.full(200, 1 / 200), 2000) * weight
    differences = resampled_auc(one, label, count) - resampled_auc(other, label, count)
    assert found.standard_error == pytest.approx(differences.std(), rel=0.1)
    losses = (count * loss.parts[0]).sum(axis=1) / count.sum(axis=1)
    assert loss.standard_error == pytest.approx(losses.std(), rel=0.1)


def test_what_cannot_be_paired() -> None:
    one = auc_components([3, 1, 2, 1], [1, 1, 0, 0])
    with pytest.raises(ValueError, match="the same rows"):
        one - auc_components([3, 1, 2, 1], [1, 0, 0, 0])
    with pytest.raises(ValueError, match="labels 0 or 1"):
        auc_components([1.0, 2.0], [0, 2])
    with pytest.raises(ValueError, match="one value, label and weight per row"):
        auc_components([1.0, 2.0], [0])
    with pytest.raises(ValueError, match="at least one prediction"):
        Components.mean([])
    assert math.isnan(auc_components([1, 2], [1, 0]).standard_error)
