"""The protocols on a shop small enough to rank by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aisle.errors import BackendUnavailableError
from aisle.evaluate import shop_temporal
from aisle.evaluate.baselines import user_baselines
from aisle.evaluate.basket_completion import evaluate_baskets
from aisle.evaluate.baskets import hide_one_of_each
from aisle.evaluate.shop_temporal import best_rows, evaluate_windows, padded
from aisle.evaluate.windows import Window, build_window
from aisle.pipeline import Blend, Pipeline, Placement
from aisle.pipeline.generators import PopularityList
from tests.histories import SIGNALS, Line, at, log_of

#: Popular before: a (3 users), b (2), c (1).
BEFORE = [Line(1, "ann", "a"), Line(1, "bob", "a"), Line(1, "cat", "a"), Line(2, "ann", "b"), Line(2, "bob", "b")]
BEFORE += [Line(3, "cat", "c")]
LOG = log_of(
    [
        *BEFORE,
        # First window, days 10 to 19: bob takes c (new to him).
        Line(11, "bob", "c"),
        # Second window, days 20 to 29: ann takes a again and c, cat takes b.
        Line(21, "ann", "a"),
        Line(21, "ann", "c"),
        Line(22, "cat", "b"),
        Line(29.5, None, "x", session="s"),
    ],
    item_order=["a", "b", "c", "x"],
)


def window_of(day: float) -> Window:
    return build_window(LOG, LOG.before(at(day)), horizon_days=10, signals=SIGNALS, history_limit=99)


def pipeline_of(window: Window, order: str) -> Pipeline:
    """The same list for everyone."""
    scores = np.zeros(window.snapshot.num_items, np.float32)
    for number, item_id in enumerate(reversed(order), 1):
        scores[window.snapshot.item_row_of[item_id]] = number
    blends = {policy: Blend({"list": 1.0}) for policy in ("allow", "exclude")}
    return Pipeline(
        item_ids=window.snapshot.item_ids,
        generators={"list": PopularityList("list", scores, reason="Listed")},
        placements={
            name: Placement(name, asks, ("list",), blends)  # type: ignore[arg-type]
            for name, asks in (("for-you", "history"), ("bought-together", "items"))
        },
        signals=SIGNALS.strengths,
        target="purchase",
        candidates_per_source=50,
        history_limit=99,
        fitted_until_ms=window.snapshot.until_ms,
    )


def gain(*positions: int) -> float:
    return sum(1 / math.log2(position + 1) for position in positions)


def test_two_windows_by_hand() -> None:
    late, early = window_of(20), window_of(10)
    fitted = [(late, pipeline_of(late, "abc")), (early, pipeline_of(early, "cba"))]
    report = evaluate_windows(fitted, {"reverse": lambda window: _by_rows})
    assert report["protocol"] == "shop-temporal"
    assert report["start_ms"] == at(20)
    assert report["counts"] == {"candidates": 3, "users/all": 2, "users/new": 2}
    ours = report["methods"]["for-you"]
    assert ours["role"] == "placement"
    # all: ann finds a and c at 1 and 3, cat b at 2; new: ann has c left (1), cat b (1).
    assert ours["metrics"]["test/ndcg@20/full/all"] == pytest.approx((gain(1, 3) / gain(1, 2) + gain(2)) / 2)
    assert ours["metrics"]["test/ndcg@20/full/new"] == pytest.approx(1)
    assert ours["metrics"]["test/recall@20/full/all"] == ours["metrics"]["test/hr@10/full/all"] == 1
    # The baseline ranks c, b, a.
    theirs = report["methods"]["reverse"]
    assert theirs["role"] == "baseline"
    assert theirs["metrics"]["test/ndcg@20/full/all"] == pytest.approx((gain(1, 3) / gain(1, 2) + gain(2)) / 2)
    assert report["paired"]["differences"]["reverse"]["test/ndcg@20/full/all"]["difference"] == pytest.approx(0)
    assert [one["start_ms"] for one in report["windows"]] == [at(20), at(10)]
    assert report["windows"][1]["counts"] == {"candidates": 3, "users/all": 1, "users/new": 1}
    assert report["windows"][1]["methods"]["for-you"]["metrics"]["test/ndcg@20/full/all"] == 1
    both = report["all_windows"]["methods"]["for-you"]["metrics"]["test/ndcg@20/full/all"]
    assert both == pytest.approx((ours["metrics"]["test/ndcg@20/full/all"] + 1) / 2), "a mean of windows, not of users"
    assert report["left_out"] == {}


def _by_rows(block: object, repeat: str) -> np.ndarray:
    scores = np.arange(6, dtype=np.float32)
    return np.tile(scores, (len(block), 1))  # type: ignore[arg-type]


def test_blocks_of_users_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    late = window_of(20)
    fitted = [(late, pipeline_of(late, "abc"))]
    whole = evaluate_windows(fitted, {"reverse": lambda window: _by_rows})
    monkeypatch.setattr(shop_temporal, "BLOCK_BYTES", 1)
    assert evaluate_windows(fitted, {"reverse": lambda window: _by_rows}) == whole


def test_equal_scores_of_a_baseline_go_by_popularity() -> None:
    late = window_of(20)
    report = evaluate_windows(
        [(late, pipeline_of(late, "abc"))],
        {"nothing": lambda window: lambda block, repeat: np.zeros((len(block), 6), np.float32)},
    )
    assert report["methods"]["nothing"]["metrics"] == report["methods"]["for-you"]["metrics"]


def test_a_baseline_without_its_library_is_left_out_by_name() -> None:
    def missing(window: Window) -> object:
        raise BackendUnavailableError("expected the library x")

    late, early = window_of(20), window_of(10)
    fitted = [(late, pipeline_of(late, "abc")), (early, pipeline_of(early, "abc"))]
    report = evaluate_windows(fitted, {"als": missing, "reverse": lambda window: _by_rows})  # type: ignore[dict-item]
    assert report["left_out"] == {"als": "expected the library x"}
    assert set(report["methods"]) == set(report["all_windows"]["methods"]) == {"for-you", "reverse"}


def test_a_window_in_which_nobody_takes_anything_new() -> None:
    # In the first window of this log only ann comes, for a again.
    log = log_of([*BEFORE, Line(11, "ann", "a"), Line(21, "ann", "c"), Line(29.5, "bob", "a")])
    windows = [
        build_window(log, log.before(at(day)), horizon_days=10, signals=SIGNALS, history_limit=99) for day in (20, 10)
    ]
    assert [len(window.asked("exclude")) for window in windows] == [1, 0]
    report = evaluate_windows(
        [(window, pipeline_of(window, "abc")) for window in windows], {"reverse": lambda window: _by_rows}
    )
    every = report["all_windows"]["methods"]
    assert every["for-you"]["metrics"]["test/ndcg@20/full/new"] == 1, "the mean of the windows that have one"
    assert set(every["reverse"]["metrics"]) == set(every["for-you"]["metrics"])
    assert "test/ndcg@20/full/new" not in report["windows"][1]["methods"]["for-you"]["metrics"]


def test_windows_in_which_nobody_known_comes() -> None:
    log = log_of([Line(1, None, "a", session="s1"), Line(29.5, None, "a", session="s2")])
    window = build_window(log, log.before(at(20)), horizon_days=10, signals=SIGNALS, history_limit=99)
    report = evaluate_windows([(window, pipeline_of(window, "a"))], user_baselines(SIGNALS))
    assert report["counts"] == {"candidates": 0, "users/all": 0, "users/new": 0}
    assert report["methods"]["for-you"] == {"role": "placement", "metrics": {}}
    assert report["all_windows"]["methods"]["ease"]["metrics"] == {}


def test_baskets_by_hand() -> None:
    lines = [
        *(Line(1, "ann", item, order="o1") for item in "abcd"),
        *(Line(11, "bob", item, order="o2") for item in "abc"),
    ]
    log = log_of(lines)
    window = build_window(log, log.before(at(10)), horizon_days=10, signals=SIGNALS, history_limit=99)
    (basket,) = hide_one_of_each(log, window, "purchase")
    hidden = window.snapshot.item_ids[basket.hidden]
    others = [item for item in "abc" if item != hidden]
    # The visible items are masked, so only d stands before the hidden one.
    pipeline = pipeline_of(window, "d" + others[0] + hidden + others[1])
    scores = np.zeros(window.snapshot.num_items, np.float32)
    scores[basket.hidden] = 1
    report = evaluate_baskets(window, pipeline, [basket], {"oracle": lambda window: lambda visible: scores})
    assert report["protocol"] == "basket-completion"
    assert report["counts"] == {"baskets": 1, "candidates": 4}
    assert report["methods"]["bought-together"]["metrics"] == {
        "test/hr@10/full": 1,
        "test/mrr@10/full": 0.5,
        "test/ndcg@20/full": pytest.approx(gain(2)),
    }
    assert report["methods"]["oracle"]["metrics"]["test/mrr@10/full"] == 1
    assert report["paired"]["differences"]["oracle"]["test/mrr@10/full"]["difference"] == -0.5


def test_the_best_of_some_rows() -> None:
    scores = np.array([9, 1, 2, 2, 0, 2], np.float32)
    assert best_rows(scores, np.array([5, 4, 3, 2, 1]), 3).tolist() == [5, 3, 2], "equal ones in the order given"
    assert best_rows(scores, np.array([4, 1]), 9).tolist() == [1, 4]


def test_lists_are_padded_at_their_end() -> None:
    assert padded([np.array([3, 4, 5]), np.zeros(0, np.int32)], 2).tolist() == [[3, 4], [-1, -1]]
