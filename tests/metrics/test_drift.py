"""The population stability index, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.metrics import population_stability_index

COUNTS = st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, 10_000)), min_size=1, max_size=12)


def test_known_answers() -> None:
    # (0.25 - 0.5) ln(0.5) + (0.75 - 0.5) ln(1.5); half an observation of many does not show.
    by_hand = -0.25 * math.log(0.5) + 0.25 * math.log(1.5)
    assert population_stability_index([5e8, 5e8], [2.5e8, 7.5e8]) == pytest.approx(by_hand, abs=1e-8)
    assert population_stability_index([10, 30], [20, 60]) == pytest.approx(0, abs=1e-4), "shares count, not sizes"
    # Half an observation in each bin: shares 0.75 and 0.25 against 0.25 and 0.75.
    assert population_stability_index([1, 0], [0, 1]) == pytest.approx(math.log(3))


def test_by_chance_it_is_as_great_as_it_says() -> None:
    random = np.random.default_rng(0)
    found = [
        population_stability_index(random.multinomial(400, [0.1] * 10), random.multinomial(200, [0.1] * 10))
        for _ in range(500)
    ]
    assert np.mean(found) == pytest.approx(9 * (1 / 400 + 1 / 200), rel=0.1)


@given(COUNTS)
def test_it_is_symmetric_and_never_negative(pairs: list[tuple[int, int]]) -> None:
    one, other = zip(*pairs, strict=True)
    value = population_stability_index(one, other)
    assert value >= 0
    assert value == pytest.approx(population_stability_index(other, one), rel=1e-9, abs=1e-12)
    assert population_stability_index(one, one) == 0


@pytest.mark.parametrize(("expected", "observed"), [([1], [1, 2]), ([], []), ([0, 0], [1, 2]), ([-1, 3], [1, 2])])
def test_what_cannot_be_compared_is_refused(expected: list[float], observed: list[float]) -> None:
    with pytest.raises(ValueError, match="expected counts"):
        population_stability_index(expected, observed)
