"""Derived event ids: the same for the same event, different for different ones, in the order of time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.ingest import event_ids
from aisle.schema import Event, derive_event_id
from aisle.schema.time import MIN_MS

#: Until the year 6429; later ones need a digit more.
TIMES = st.integers(MIN_MS, 2**47 - 1)
names = st.text("abü", min_size=1, max_size=3)
numbers = st.one_of(st.none(), st.floats(0, 1e6), st.integers(0, 3).map(float))
events = st.builds(
    lambda items, **fields: Event.model_validate(
        fields | ({"item_id": items[0]} if len(items) == 1 else {"items": items})
    ),
    items=st.lists(names, min_size=1, max_size=3),
    type=st.sampled_from(["view", "purchase"]),
    user_id=names,
    session_id=st.one_of(st.none(), names),
    timestamp=st.integers(0, 3),
    value=numbers,
    quantity=numbers,
    price=numbers,
    order_id=st.one_of(st.none(), names),
    position=st.one_of(st.none(), st.integers(0, 3)),
    context=st.one_of(st.none(), st.dictionaries(names, st.integers(0, 2), max_size=2)),
)


@settings(deadline=None)
@given(st.lists(events, max_size=8))
def test_ids_are_as_many_as_events(batch: list[Event]) -> None:
    ids = event_ids(batch)
    assert len(set(ids)) == len(batch)
    assert event_ids(batch) == ids


@settings(deadline=None)
@given(events, events)
def test_only_equal_events_share_a_digest(one: Event, other: Event) -> None:
    (first,), (second,) = event_ids([one]), event_ids([other])
    assert (first == second) == (one == other)


@settings(deadline=None)
@given(st.lists(events, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_a_batch_does_not_matter(batch: list[Event], random: Any) -> None:
    shuffled = list(batch)
    random.shuffle(shuffled)
    assert sorted(event_ids(shuffled)) == sorted(event_ids(batch))


@settings(deadline=None)
@given(TIMES, TIMES, st.integers(0, 2**64 - 1))
def test_ids_sort_by_time(earlier: int, later: int, digest: int) -> None:
    earlier, later = sorted((earlier, later))
    assert derive_event_id(earlier, digest, 0) <= derive_event_id(later, digest, 0)


def test_the_id_of_an_event_never_changes() -> None:
    """Worked out once: an id that changes with a release would double every re-imported event."""
    event = Event.model_validate(
        {
            "type": "purchase", "user_id": 17850, "item_id": "85123A", "timestamp": "2010-12-01T08:26:00Z",
            "quantity": 6, "price": 2.55, "order_id": "536365", "context": {"b": 1, "a": [True]},
        }
    )  # fmt: skip
    assert event_ids([event, event]) == ["812ca109c1c0-dd2c059074fae2ab", "812ca109c1c0-dd2c059074fae2ab-1"]


def test_equal_numbers_have_equal_ids() -> None:
    def of(**fields: Any) -> str:
        return event_ids(
            [Event.model_validate({"type": "view", "user_id": "u", "item_id": "a", "timestamp": 1} | fields)]
        )[0]

    assert of(value=0.0) == of(value=-0.0) == of(value="0")
    assert of(quantity=6) == of(quantity="6.0")
    assert of(context={"a": 1, "b": 2}) == of(context={"b": 2, "a": 1})
    assert of(item_id=None, items=["a"]) == of()
    assert of(user_id="a", session_id=None) != of(user_id=None, session_id="a")
    assert of(event_id="own") == "own"


def test_a_digest_is_not_split_across_fields() -> None:
    one = Event(type="view", user_id="a", session_id="bc", item_id="i", timestamp=1)
    other = Event(type="view", user_id="ab", session_id="c", item_id="i", timestamp=1)
    assert event_ids([one]) != event_ids([other])


@pytest.mark.parametrize("occurrence", [1, 12])
def test_occurrences_are_numbered(occurrence: int) -> None:
    assert derive_event_id(0, 1, occurrence) == f"800000000000-0000000000000001-{occurrence}"
