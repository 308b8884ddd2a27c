"""Hidden items of baskets: which baskets count, and that the draw can be repeated by anyone."""

from __future__ import annotations

import numpy as np

from aisle.evaluate.baskets import hide_one_of_each
from aisle.evaluate.windows import build_window
from tests.histories import SIGNALS, Line, at, log_of

LINES = [
    *(Line(1, "ann", item, order="o1") for item in ("d", "c", "b", "a")),
    Line(2, None, "x", session="s"),
    *(Line(11, "bob", item, order="o3") for item in "cba"),  # a user not known before counts too
    *(Line(12, "ann", item, order="o2") for item in ("a", "a", "b", "c", "d", "new", "x")),
    *(Line(13, "ann", item, order="o4") for item in ("a", "b", "new")),  # two candidates only
    *(Line(14, None, item, order="o5", session="s9") for item in "abc"),  # nobody known
    *(Line(15, "ann", item, "view", session="s8") for item in "abc"),  # not bought
    *(Line(16.0, "ann", item) for item in "abd"),  # no order: a day's purchases
    *(Line(25, "ann", item, order="o6") for item in "abc"),  # after the window
]


def test_baskets_by_hand() -> None:
    log = log_of(LINES)
    window = build_window(log, log.before(at(10)), horizon_days=10, signals=SIGNALS, history_limit=99)
    baskets = hide_one_of_each(log, window, "purchase")
    ids = window.snapshot.item_ids
    everything = {one.order_id: sorted(ids[row] for row in (*one.visible, one.hidden)) for one in baskets}
    no_order = next(name for name in everything if not name.startswith("o"))
    assert everything == {no_order: ["a", "b", "d"], "o2": ["a", "b", "c", "d"], "o3": ["a", "b", "c"]}
    # The recipe that its docstring gives, followed by hand: orders and items by id, one draw for each.
    draw = np.random.default_rng(0)
    expected = {name: items[int(draw.integers(len(items)))] for name, items in sorted(everything.items())}
    assert {one.order_id: ids[one.hidden] for one in baskets} == expected


def test_what_a_cart_asks() -> None:
    log = log_of(LINES)
    window = build_window(log, log.before(at(10)), horizon_days=10, signals=SIGNALS, history_limit=99)
    basket = hide_one_of_each(log, window, "purchase")[-1]
    query = basket.query(window.snapshot)
    assert query.rows_n.tolist() == basket.visible.tolist()
    assert (query.now_ms, query.num_rows) == (at(10), window.snapshot.num_items)
    eligible_V = basket.eligible_V(window.candidates_V)
    assert not eligible_V[basket.visible].any()
    assert eligible_V[basket.hidden]
    assert eligible_V.sum() == window.candidates_V.sum() - len(basket.visible)


def test_at_most_so_many_spread_over_all() -> None:
    lines = [
        *(Line(1, "ann", item) for item in "abcd"),
        *(Line(11, "ann", item, order=f"o{order:02d}") for order in range(20) for item in "abc"),
    ]
    log = log_of(lines)
    window = build_window(log, log.before(at(10)), horizon_days=10, signals=SIGNALS, history_limit=99)
    every = hide_one_of_each(log, window, "purchase")
    some = hide_one_of_each(log, window, "purchase", most=5)
    assert len(every) == 20
    assert [one.order_id for one in some] == ["o00", "o04", "o09", "o14", "o19"]
    hidden = {one.order_id: one.hidden for one in every}
    assert all(one.hidden == hidden[one.order_id] for one in some)
    assert len({one.hidden for one in every}) > 1


def test_no_baskets() -> None:
    log = log_of([Line(1, "ann", "a"), Line(11, "ann", "a")])
    window = build_window(log, log.before(at(10)), horizon_days=10, signals=SIGNALS, history_limit=99)
    assert hide_one_of_each(log, window, "purchase") == []
