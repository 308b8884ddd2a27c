"""The three nouns of a shop, as files and HTTP carry them: item, user, event."""

from __future__ import annotations

from typing import Annotated, Any, Self

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from aisle.schema.time import parse_timestamp_ms

#: Event types that Aisle gives a meaning; a shop may send its own beside them.
KNOWN_EVENT_TYPES = (
    "impression",
    "view",
    "add_to_cart",
    "remove_from_cart",
    "purchase",
    "return",
    "like",
    "hide",
    "rating",
)

MAX_ID_LENGTH = 256
#: Whole numbers below this are exact as floating point numbers.
MAX_WHOLE_FLOAT = 2**53
MAX_ITEMS_PER_EVENT = 1000
#: Maps of the shop's own may hold lists and maps in each other so deep; writers of JSON give up somewhat later.
MAX_JSON_DEPTH = 64
MAX_JSON_BYTES = 65_536


def _id_text(value: object) -> object:
    """Accept whole numbers as ids: spreadsheets and databases often hold them so, and some turn them into 17850.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_WHOLE_FLOAT:
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[
    str,
    Field(min_length=1, max_length=MAX_ID_LENGTH, pattern=r"^[^\x00-\x1f]+$", examples=["sku1"]),
    BeforeValidator(_id_text),
]
EventType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", examples=["purchase"])]
TimestampMs = Annotated[
    int,
    BeforeValidator(parse_timestamp_ms),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}],
            "description": "RFC 3339 text, or Unix seconds or milliseconds; a time without a zone is UTC",
            "examples": ["2011-12-09T12:50:00Z"],
        }
    ),
]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]
NotNegative = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e15)]


def _not_too_deep(value: dict[str, Any]) -> dict[str, Any]:
    level: list[object] = [value]
    for _ in range(MAX_JSON_DEPTH):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        if not inner:
            return value
        level = [one for values in inner for one in values]
    raise ValueError(f"expected at most {MAX_JSON_DEPTH} levels of lists and maps in each other, received more")


def _encodable(value: dict[str, Any]) -> dict[str, Any]:
    """What cannot be written as JSON (a number of more than 64 bits, half a character) cannot be kept."""
    try:
        size = len(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except TypeError as error:
        raise ValueError(f"expected a map that JSON can hold: {error}") from None
    if size > MAX_JSON_BYTES:
        raise ValueError(f"expected at most {MAX_JSON_BYTES} bytes as JSON, received {size}")
    return value


JsonMap = Annotated[dict[str, Any], AfterValidator(_not_too_deep), AfterValidator(_encodable)]


class Record(BaseModel):
    """What the three nouns share: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Event(Record):
    """Something a visitor did, or saw, at one time."""

    type: EventType
    user_id: Id | None = None
    session_id: Id | None = None
    item_id: Id | None = None
    items: Annotated[list[Id], Field(min_length=1, max_length=MAX_ITEMS_PER_EVENT)] | None = None
    timestamp: TimestampMs | None = None
    event_id: Id | None = None
    value: Finite | None = None
    quantity: NotNegative | None = None
    price: NotNegative | None = None
    order_id: Id | None = None
    request_id: Id | None = None
    position: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    placement: Id | None = None
    context: JsonMap | None = None

    @model_validator(mode="after")
    def _names_someone_and_something(self) -> Self:
        if self.user_id is None and self.session_id is None:
            raise ValueError("expected user_id or session_id, received neither")
        if (self.item_id is None) == (self.items is None):
            raise ValueError("expected exactly one of item_id and items")
        return self

    @property
    def item_ids(self) -> list[str]:
        """The items of the event, one or many."""
        return [self.item_id] if self.item_id is not None else list(self.items or ())


class Item(Record):
    """One product of the catalogue, as it is from ``updated_at`` on."""

    item_id: Id
    parent_id: Id | None = None
    title: Annotated[str, Field(max_length=2000)] | None = None
    description: Annotated[str, Field(max_length=20_000)] | None = None
    category: Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=16)] = Field(
        default_factory=list, description="from general to specific"
    )
    brand: Annotated[str, Field(max_length=256)] | None = None
    price: NotNegative | None = None
    currency: Annotated[str, Field(max_length=8)] | None = None
    available: bool = True
    image_url: Annotated[str, Field(max_length=2000)] | None = None
    created_at: TimestampMs | None = None
    updated_at: TimestampMs | None = Field(
        default=None, description="the record holds from this time on; missing: from its arrival"
    )
    attributes: JsonMap = Field(default_factory=dict)


class User(Record):
    """A known customer."""

    user_id: Id
    attributes: JsonMap = Field(default_factory=dict)
