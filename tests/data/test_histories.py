"""Histories before each event: known answers, and no event of the same or a later time in any of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aisle.data.histories import earlier_things, own_progress

#: User, time, thing, taken; not in order.
EVENTS = [
    (2, 5, 50, True),
    (1, 3, 30, True),
    (1, 1, 10, True),
    (1, 2, 20, False),
    (1, 4, 40, True),
    (1, 3, 31, True),
    (2, 1, 60, True),
]


def columns(events: list[tuple[int, int, int, bool]]) -> list[Any]:
    return [np.array(values) for values in zip(*events, strict=True)]


def test_the_last_things_taken_at_earlier_times() -> None:
    found = earlier_things(*columns(EVENTS), length=2).to_list()
    assert found == [[60], [10], [], [10], [30, 31], [10], []]
    assert earlier_things(*columns(EVENTS), length=5).to_list()[4] == [10, 30, 31]


def test_later_events_change_no_earlier_history() -> None:
    draw = np.random.default_rng(0)
    user, time, thing = (draw.integers(0, high, 400) for high in (5, 60, 30))
    taken = draw.random(400) < 0.6
    whole = earlier_things(user, time, thing, taken, length=4).to_list()
    for now in (0, 20, 40):
        # At `now` and later: other things, others taken.
        is_late = time >= now
        other_thing = np.where(is_late, 99, thing)
        other_taken = np.where(is_late, ~taken, taken)
        changed = earlier_things(user, time, other_thing, other_taken, length=4).to_list()
        cut = earlier_things(user[time <= now], time[time <= now], thing[time <= now], taken[time <= now], length=4)
        for place in np.flatnonzero(time <= now):
            assert changed[place] == whole[place]
        assert cut.to_list() == [whole[place] for place in np.flatnonzero(time <= now)]


def test_a_history_is_that_of_a_loop() -> None:
    draw = np.random.default_rng(1)
    user, time, thing = (draw.integers(0, high, 200) for high in (4, 25, 30))
    taken = draw.random(200) < 0.5
    found = earlier_things(user, time, thing, taken, length=3).to_list()
    order = np.lexsort((time, user))
    for place in range(200):
        earlier = [one for one in order if user[one] == user[place] and time[one] < time[place] and taken[one]]
        assert found[place] == [thing[one] for one in earlier][-3:]


def test_own_progress_is_the_share_of_a_users_events_before() -> None:
    user, time, _, _ = columns(EVENTS)
    assert own_progress(user, time).tolist() == pytest.approx([1 / 2, 2 / 5, 0, 1 / 5, 4 / 5, 3 / 5, 0])
