"""Weights and facts of pooled histories, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.pipeline.history_pools import HistoryPools

POOLS = HistoryPools((10.0, None), 100)


def test_weights_by_hand() -> None:
    ages = np.array([20.0, 10.0, 0.0, 5.0])
    weights_HN, facts_BG = POOLS.weigh(ages, np.array([1.0, 1.0, 2.0, 0.2]), [0, 3])
    # 1/4, 1/2 and 2 of the first history sum to 2.75; without decay 1, 1 and 2 to 4.
    assert weights_HN[0] == pytest.approx([0.25 / 2.75, 0.5 / 2.75, 2 / 2.75, 1.0])
    assert weights_HN[1] == pytest.approx([0.25, 0.25, 0.5, 1.0])
    assert facts_BG[0] == pytest.approx(np.log1p([3, 0, 20, 2.75, 4]) / 5)
    assert facts_BG[1] == pytest.approx(np.log1p([1, 5, 5, 0.2 * 2**-0.5, 0.2]) / 5)
    assert facts_BG.shape == (2, POOLS.num_facts)


def test_a_very_old_history_is_still_weighed() -> None:
    weights_HN, facts_BG = POOLS.weigh(np.array([50_010.0, 50_000.0]), np.ones(2), [0])
    assert weights_HN[0] == pytest.approx([1 / 3, 2 / 3])
    assert np.isfinite(facts_BG).all()


def test_one_history_alone_is_weighed_as_among_others() -> None:
    draw = np.random.default_rng(0)
    ages, strengths = draw.random(30) * 100, draw.random(30) + 0.1
    starts = [0, 4, 5, 20]
    together, facts = POOLS.weigh(ages, strengths, starts)
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], 30], strict=True)):
        alone, fact = POOLS.weigh(ages[start:end], strengths[start:end], [0])
        np.testing.assert_allclose(together[:, start:end], alone, rtol=1e-6)
        np.testing.assert_allclose(facts[number], fact[0], rtol=1e-6)
