"""The three nouns: what they take, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from aisle.schema import Event, Item, User

GOOD: dict[str, Any] = {"type": "view", "user_id": "u", "item_id": "i"}


@pytest.mark.parametrize(
    ("given", "id_"), [(" a ", "a"), (17850, "17850"), (17850.0, "17850"), ("ü" * 256, "ü" * 256), (-0.0, "0")]
)
def test_ids(given: object, id_: str) -> None:
    assert User.model_validate({"user_id": given}).user_id == id_


@pytest.mark.parametrize(
    "given", ["", " ", "a\x00", "a\nb", "x" * 257, True, 1.5, float("nan"), 1e300, None, "\ud800", [1]]
)
def test_what_is_no_id(given: object) -> None:
    with pytest.raises(ValidationError):
        User.model_validate({"user_id": given})


@pytest.mark.parametrize(
    "change",
    [
        {"type": "View"}, {"type": ""}, {"user_id": None}, {"items": ["a"]}, {"item_id": None},
        {"item_id": None, "items": []}, {"item_id": None, "items": ["a"] * 1001}, {"quantity": -1},
        {"price": float("inf")}, {"value": float("nan")}, {"value": 1e16}, {"position": -1}, {"position": 1.5},
        {"timestamp": "soon"}, {"unknown": 1}, {"context": [1]},
        {"context": {"a": 2**64}}, {"context": {"a": "\ud800"}}, {"context": {"a": "x" * 70_000}},
    ],
)  # fmt: skip
def test_what_is_no_event(change: dict[str, Any]) -> None:
    Event.model_validate(GOOD)
    with pytest.raises(ValidationError):
        Event.model_validate(GOOD | change)


def test_items_of_an_event() -> None:
    assert Event.model_validate(GOOD).item_ids == ["i"]
    assert Event.model_validate(GOOD | {"item_id": None, "items": ["a", 2]}).item_ids == ["a", "2"]


def test_every_field_has_a_type_in_the_schema() -> None:
    for record in (Event, Item, User):
        for name, field in record.model_json_schema()["properties"].items():
            assert "type" in field or "anyOf" in field, f"{record.__name__}.{name}"
            assert field.get("type", "") is not None
    times = Event.model_json_schema()["properties"]["timestamp"]["anyOf"][0]["anyOf"]
    assert times == [{"type": "string", "format": "date-time"}, {"type": "number"}]


def test_a_record_says_which_field_is_unknown() -> None:
    with pytest.raises(ValidationError, match="titel"):
        Item.model_validate({"item_id": "a", "titel": "x"})
