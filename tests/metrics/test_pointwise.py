"""Measures of probabilities, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.metrics import accuracy, auc, calibration, gauc, log_loss, log_loss_rows, normalized_entropy


def test_auc_counts_pairs_and_half_the_ties() -> None:
    # Positives score 3 and 1, negatives 2 and 1: pairs 3>2, 3>1, 1<2, 1=1.
    assert auc([3, 1, 2, 1], [1, 1, 0, 0]) == (1 + 1 + 0 + 0.5) / 4
    assert auc([0, 1], [0, 1]) == 1.0
    assert auc([5, 5, 5], [0, 1, 0]) == 0.5
    assert math.isnan(auc([1, 2], [1, 1]))


def test_weights_count_rows_several_times() -> None:
    once = auc([3, 1, 2, 1, 1, 1], [1, 1, 0, 0, 0, 0])
    assert math.isclose(auc([3, 1, 2, 1], [1, 1, 0, 0], [1, 1, 1, 3]), once)
    assert math.isclose(log_loss([0.5, 0.25], [1, 0], [3, 1]), (3 * math.log(2) - math.log(0.75)) / 4)


def test_gauc_is_the_mean_auc_of_groups_that_have_both_labels() -> None:
    scores = [1, 2, 3, 9, 8, 1, 2]
    labels = [0, 0, 1, 1, 1, 1, 0]
    groups = np.array(["a", "a", "a", "b", "b", "c", "c"])
    # a: 1 (three rows); b has no negative; c: 0 (two rows)
    assert gauc(scores, labels, groups) == pytest.approx(3 / 5)
    assert math.isnan(gauc([1, 2], [1, 1], np.array([0, 0])))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.booleans()), min_size=1, max_size=40))
def test_gauc_agrees_with_auc_group_by_group(rows: list[tuple[int, int, bool]]) -> None:
    group, score, label = (np.array(column) for column in zip(*rows, strict=True))
    values, sizes = [], []
    for one in np.unique(group):
        value = auc(score[group == one], label[group == one])
        if not math.isnan(value):
            values.append(value)
            sizes.append((group == one).sum())
    expected = np.average(values, weights=sizes) if values else math.nan
    assert gauc(score, label, group) == pytest.approx(expected, nan_ok=True)


def test_log_loss_by_hand_and_at_the_edge() -> None:
    assert log_loss([0.5, 0.25], [1, 0]) == pytest.approx((math.log(2) - math.log(0.75)) / 2)
    assert log_loss([0.0], [1]) == pytest.approx(-math.log(1e-15))


def test_log_loss_row_by_row() -> None:
    assert log_loss_rows([0.5, 0.25], [1, 0]) == pytest.approx([math.log(2), -math.log(0.75)])


def test_accuracy_counts_the_likelier_label() -> None:
    assert accuracy([0.9, 0.5, 0.4, 0.6], [1, 1, 1, 0]) == 0.5
    assert accuracy([0.9, 0.5, 0.4, 0.6], [1, 1, 1, 0], [3, 1, 1, 0]) == 0.8


def test_normalized_entropy_of_the_mean_is_one() -> None:
    assert normalized_entropy([0.25] * 4, [1, 0, 0, 0]) == pytest.approx(1.0)
    assert normalized_entropy([0.9, 0.1, 0.1, 0.1], [1, 0, 0, 0]) < 0.3
    assert math.isnan(normalized_entropy([0.5], [1]))


def test_calibration_by_hand() -> None:
    table = calibration([0.1, 0.3, 0.6, 0.8], [0, 1, 1, 1], num_bins=2)
    np.testing.assert_allclose(table.predicted, [0.2, 0.7])
    np.testing.assert_allclose(table.observed, [0.5, 1.0])
    np.testing.assert_allclose(table.weight, [2, 2])
    assert table.ratio == pytest.approx(1.8 / 3)
    assert table.error == pytest.approx((0.3 + 0.3) / 2)


def test_equal_predictions_share_a_bin() -> None:
    table = calibration([0.2] * 10, [1, 1] + [0] * 8, num_bins=5)
    assert len(table.predicted) == 1
    assert table.error == pytest.approx(0.0)
    assert math.isnan(calibration([0.5], [0]).ratio)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5], [2]), "labels 0 or 1"),
        (([1.5], [1]), "probabilities"),
        (([], []), "one value"),
        (([0.5], [1], [0.0]), "positive sum"),
        (([0.5], [1, 0]), "one value"),
    ],
)
def test_other_input_is_refused(arguments: tuple[list[float], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        log_loss(*arguments)
