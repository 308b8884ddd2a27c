"""Intervals over users and seeds: known answers, and wider than over users alone where seeds differ."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.evaluate.report import MethodScores
from aisle.metrics import bootstrap_mean
from benchmarks.over_seeds import compare_over_seeds, difference_over_seeds

NDCG = "test/ndcg@20/full/all"


def test_what_never_varies_has_no_width() -> None:
    found = difference_over_seeds(np.full((3, 5), 0.25))
    assert (found.mean, found.low, found.high) == (0.25, 0.25, 0.25)


def test_seeds_that_differ_widen_the_interval() -> None:
    users_L = np.random.default_rng(1).normal(0.0, 0.1, 1000)
    of_seed_S = np.array([0.02, 0.0, 0.01, -0.01, 0.0, -0.02])
    gap_SL = users_L - users_L.mean() + of_seed_S[:, None]
    found, over_users = difference_over_seeds(gap_SL), bootstrap_mean(gap_SL.mean(axis=0))
    assert found.mean == pytest.approx(0.0)
    # The variances of the two means add up: .1 / sqrt(1000) and .0129 / sqrt(6).
    assert found.high - found.low == pytest.approx(
        2 * 1.96 * np.hypot(0.1 / 1000**0.5, of_seed_S.std() / 6**0.5), rel=0.1
    )
    assert over_users.high - over_users.low == pytest.approx(2 * 1.96 * 0.1 / 1000**0.5, rel=0.1)


def test_one_seed_says_nothing_of_others() -> None:
    with pytest.raises(ValueError, match=r"two seeds or more on some lists, received the shape \(1, 4\)"):
        difference_over_seeds(np.zeros((1, 4)))


def test_methods_are_compared_seed_by_seed_over_all_windows() -> None:
    def runs(*values: list[list[float]]) -> list[list[MethodScores]]:
        return [[MethodScores("ablation", {NDCG: np.array(run)}) for run in window] for window in values]

    found = compare_over_seeds(
        {
            "whole": runs([[1.0, 0.5], [0.5, 0.5]], [[0.0], [0.3]]),
            "part": runs([[0.5, 0.5], [0.0, 0.5]], [[0.0], [0.6]]),
        },
        "whole",
        [NDCG],
    )
    assert found["reference"] == "whole"
    gap = found["differences"]["part"][NDCG]
    assert gap["by_seed"] == pytest.approx([0.5 / 3, 0.2 / 3])
    assert gap["difference"] == pytest.approx(0.7 / 6)
    assert gap["low"] <= gap["difference"] <= gap["high"]
