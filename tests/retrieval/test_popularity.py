"""Popular, trending and newly arrived items, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.pipeline.generators import PopularityList
from aisle.recipe.generators import ArrivalsSpec, PopularitySpec, TrendingSpec
from aisle.retrieval import fit_arrivals, fit_popularity, fit_trending
from tests.histories import SIGNALS, Line, snapshot_of

LINES = [
    Line(0, "u1", "old"),
    Line(80, "u1", "tea"),
    Line(80, "u1", "tea", order="again"),  # one visitor counts once ...
    Line(90, "u1", "tea", "view"),  # ... with the strongest decayed signal
    Line(90, "u2", "tea"),
    Line(90, None, "tea", "view", session="s1"),
    Line(95, "u3", "cup"),
    Line(95, "u3", "cup", "impression"),  # says nothing
]


def by_item(popularity: PopularityList, *names: str) -> list[float]:
    """Scores by item id; rows go by first appearance in :data:`LINES`."""
    row_of = {name: row for row, name in enumerate(dict.fromkeys(line.item for line in LINES), 2)}
    return [float(popularity.scores_V[row_of[name]]) for name in names]


def test_popularity_is_the_decayed_sum_over_visitors() -> None:
    spec = PopularitySpec(kind="popularity", half_life_days=[10, 1000])
    ten, slow = fit_popularity("popular", spec, snapshot_of(LINES, day=100), SIGNALS)
    assert (ten.name, slow.name) == ("popular_10d", "popular_1000d")
    # tea: u1 max(1/4, .2/2), u2 1/2, the session .2/2; cup: half a half-life ago.
    assert by_item(ten, "tea", "cup", "old") == pytest.approx([0.25 + 0.5 + 0.1, 2**-0.5, 2**-10])
    assert by_item(slow, "old") == pytest.approx([2**-0.1])
    assert ten.scores_V[:2].tolist() == [0, 0]


def test_trending_is_recent_visitors_over_those_expected() -> None:
    spec = TrendingSpec(kind="trending", recent_days=10, base_days=50, prior_visitors=3)
    (trending,) = fit_trending("trending", spec, snapshot_of(LINES, day=100), SIGNALS)
    # tea: recent u1 .2 (the view), u2 1, the session .2; base u1 1, u2 1, the session .2.
    assert by_item(trending, "tea", "cup", "old") == pytest.approx([1.4 / (2.2 / 5 + 3), 1 / (1 / 5 + 3), 0])


def test_arrivals_are_popular_and_young() -> None:
    (arrivals,) = fit_arrivals(
        "arrivals", ArrivalsSpec(kind="arrivals", half_life_days=10), snapshot_of(LINES, day=100), SIGNALS
    )
    # tea came 20 days ago, cup 5.
    assert by_item(arrivals, "tea", "cup", "old") == pytest.approx([0.85 * 0.25, 0.5, 2**-20])


@pytest.mark.parametrize("lines", [[Line(1, "u1", "tea", "impression")], [Line(99, "u1", "tea")]])
def test_nothing_before_the_snapshot(lines: list[Line]) -> None:
    snapshot = snapshot_of(lines, day=2)
    for popularity in (
        *fit_popularity("p", PopularitySpec(kind="popularity"), snapshot, SIGNALS),
        *fit_trending("t", TrendingSpec(kind="trending"), snapshot, SIGNALS),
        *fit_arrivals("a", ArrivalsSpec(kind="arrivals"), snapshot, SIGNALS),
    ):
        assert popularity.scores_V.tolist() == [0] * snapshot.num_items


def test_the_same_to_the_last_bit_each_time() -> None:
    draw = np.random.default_rng(0)
    lines = [Line(day, f"u{draw.integers(300)}", f"i{draw.integers(7)}") for day in draw.uniform(0, 100, 4000)]
    snapshot = snapshot_of(lines, day=100)
    spec = PopularitySpec(kind="popularity", half_life_days=[7])
    fits = [fit_popularity("p", spec, snapshot, SIGNALS)[0].scores_V for _ in range(8)]
    assert all(np.array_equal(fits[0], other) for other in fits[1:])
