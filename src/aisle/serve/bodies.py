"""The bodies of calls and answers, each field typed: what the OpenAPI document says and what is checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from aisle.pipeline.request import ItemFilter, PriceRange, RecommendationRequest
from aisle.schema import Event, Id, Item
from aisle.schema.records import MAX_ITEMS_PER_EVENT, JsonMap, NotNegative
from aisle.serve.path_ids import decode_path_id

MAX_LIMIT = 500
MAX_EVENTS_PER_CALL = 10_000
MAX_ITEMS_PER_CALL = 10_000

Placement = Literal[
    "for-you", "similar-items", "bought-together", "next-in-session", "buy-it-again", "trending", "popular"
]
#: What an answer may repeat of an item: what a shop shows to everybody, never its own attributes.
ShownField = Literal["title", "category", "brand", "price", "currency", "available", "image_url"]
PathId = Annotated[Id, BeforeValidator(decode_path_id)]
Names = Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=1000)]


class Rejection(BaseModel):
    """One entry of a list that was not taken, and why; the others were."""

    index: int = Field(ge=0, description="its place in the list that was sent, from 0")
    reason: str


class Refused:
    """Stands in a checked list for an entry that is not as it should be."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _keep_or_refuse(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        return check(value)
    except ValidationError as error:
        return Refused(reason_of(error))


def reason_of(error: ValidationError) -> str:
    """The first complaint of a failed check with its field, and how many more there are."""
    complaints = error.errors(include_url=False, include_context=False, include_input=False)
    first = complaints[0]
    field = ".".join(str(part) for part in first["loc"])
    text = str(first["msg"]).removeprefix("Value error, ")
    more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
    return f"{field}: {text}{more}" if field else f"{text}{more}"


class Body(BaseModel):
    """What all bodies share: an unknown field is refused by name, so that a misspelt one is noticed.

    Blanks around texts are dropped, as in events and items: an id is the same id in every call.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class EventsBody(Body):
    """A batch of events; one that is not as it should be is refused alone."""

    events: Annotated[list[Annotated[Event, WrapValidator(_keep_or_refuse)]], Field(max_length=MAX_EVENTS_PER_CALL)]


class EventsAnswer(BaseModel):
    """What became of a batch: every accepted event is durable when this is sent."""

    accepted: int
    duplicates: int = Field(description="events whose event_id was there before")
    rejected: list[Rejection]


class ItemFields(Item):
    """An item whose id stands in the path; where the body repeats it, the two must agree."""

    item_id: Id | None = None  # type: ignore[assignment]  # optional here alone


class ItemsBody(Body):
    """Many items; one that is not as it should be is refused alone."""

    items: Annotated[list[Annotated[Item, WrapValidator(_keep_or_refuse)]], Field(max_length=MAX_ITEMS_PER_CALL)]


class ItemsAnswer(BaseModel):
    """What became of a batch of items."""

    accepted: int
    rejected: list[Rejection]


class ItemPage(BaseModel):
    """Part of the current catalogue, in the order in which the items first came."""

    items: list[Item]
    total: int = Field(description="how many items match")


class DeletedItem(BaseModel):
    """An item that is no longer in the catalogue."""

    item_id: str
    deleted: bool


class UserFields(Body):
    """A user whose id stands in the path; where the body repeats it, the two must agree."""

    user_id: Id | None = None
    attributes: JsonMap = Field(default_factory=dict)


class UserAnswer(BaseModel):
    """A known customer."""

    user_id: str
    attributes: dict[str, Any]


class DeletedUser(BaseModel):
    """A user whose record and events are gone."""

    user_id: str
    events_deleted: int


class UserPage(BaseModel):
    """Some of the known visitors, the newest first."""

    user_ids: list[str]
    total: int


class EventsOfUser(BaseModel):
    """A user's events, newest first, each with its event_id."""

    events: list[Event]


class PriceBody(Body):
    """Both ends are included; a missing end is open."""

    min: NotNegative | None = None
    max: NotNegative | None = None

    @model_validator(mode="after")
    def _ends_in_order(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"expected min <= max, received min {self.min:g} and max {self.max:g}")
        return self


class FilterBody(Body):
    """Conditions on the items of an answer, all together."""

    category: Names = Field(default_factory=list, description="any of these, on any level")
    brand: Names = Field(default_factory=list, description="any of these")
    price: PriceBody | None = None
    available: bool | None = None
    attributes: dict[str, list[str | int | float | bool]] = Field(
        default_factory=dict, description="for each attribute any of the listed values"
    )

    def to_filter(self) -> ItemFilter:
        """The same conditions as the pipeline takes them."""
        return ItemFilter(
            category=tuple(self.category),
            brand=tuple(self.brand),
            price=None if self.price is None else PriceRange(self.price.min, self.price.max),
            available=self.available,
            attributes={name: tuple(map(str, values)) for name, values in self.attributes.items()},
        )


class RecommendationBody(Body):
    """One question to the pipeline; an unknown user or item is not an error."""

    placement: Placement
    user_id: Id | None = None
    session_id: Id | None = None
    items: Annotated[list[Id], Field(max_length=MAX_ITEMS_PER_EVENT)] = Field(
        default_factory=list, description="the item of the page, the items of the cart, or those of the visit in order"
    )
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10
    filter: FilterBody | None = None
    exclude: Annotated[list[Id], Field(max_length=10_000)] = Field(
        default_factory=list, description="items that must not be in the answer"
    )
    context: JsonMap = Field(default_factory=dict)
    explain: bool = False
    repeat: Literal["allow", "exclude"] | None = Field(
        default=None, description="overrides the placement's policy on items the user bought before"
    )
    fields: list[ShownField] = Field(
        default_factory=list, max_length=7, description="what each recommended item is to say of itself"
    )

    def to_request(self) -> RecommendationRequest:
        """The same question as the pipeline takes it."""
        return RecommendationRequest(
            placement=self.placement,
            user_id=self.user_id,
            session_id=self.session_id,
            items=tuple(self.items),
            limit=self.limit,
            filter=self.filter.to_filter() if self.filter is not None else ItemFilter(),
            exclude=tuple(self.exclude),
            context=self.context,
            explain=self.explain,
            repeat=self.repeat,
        )


class SourceAnswer(BaseModel):
    """What one generator said of the item."""

    score: float
    rank: int = Field(description="from 1")
    share: float = Field(description="its part of the blend's score, also where a ranker gave the order")


class ShownItem(BaseModel):
    """What a shop shows to everybody of an item."""

    title: str | None = None
    category: list[str] | None = None
    brand: str | None = None
    price: float | None = None
    currency: str | None = None
    available: bool | None = None
    image_url: str | None = None


class RecommendedAnswer(BaseModel):
    """One recommended item."""

    item_id: str
    score: float
    source: str = Field(
        description="the generator with the greatest share; without any the one that listed the item first"
    )
    reason: str
    sources: dict[str, SourceAnswer] | None = Field(default=None, description="only with explain")
    item: ShownItem | None = Field(default=None, description="only with fields: those of them that the item has")


class RecommendationAnswer(BaseModel):
    """The answer; send its request_id with the events that come of it."""

    request_id: str
    placement: str
    model_version: str
    took_ms: float
    items: list[RecommendedAnswer]
    degraded: list[str] = Field(description="the stages that fell back, and how; empty when all is well")
