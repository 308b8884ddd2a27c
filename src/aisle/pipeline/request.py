"""What is asked of the pipeline, and what it answers: plain values shared by the shell, the server and evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from aisle.features.drift import Observed

RepeatPolicy = Literal["allow", "exclude"]

PLACEMENTS = (
    "for-you",
    "similar-items",
    "bought-together",
    "next-in-session",
    "buy-it-again",
    "trending",
    "popular",
)


@dataclass(frozen=True)
class PriceRange:
    """Both ends are included; ``None`` leaves an end open."""

    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class ItemFilter:
    """Conditions on the items of an answer, all together; an empty one lets everything pass.

    ``category`` and ``brand`` pass an item that has any of the listed values (a category on any level);
    ``attributes`` asks, for each named attribute, that the item's value (or one of its values) is listed.
    """

    category: tuple[str, ...] = ()
    brand: tuple[str, ...] = ()
    price: PriceRange | None = None
    available: bool | None = None
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class RecommendationRequest:
    """One question to the pipeline. Unknown users and items are not an error: they bring no history."""

    placement: str
    user_id: str | None = None
    session_id: str | None = None
    items: tuple[str, ...] = ()
    limit: int = 10
    filter: ItemFilter = ItemFilter()
    exclude: tuple[str, ...] = ()
    context: dict[str, Any] = field(default_factory=dict)
    explain: bool = False
    repeat: RepeatPolicy | None = None


@dataclass(frozen=True)
class SourceShare:
    """What one generator said of one candidate.

    Attributes:
        score: Its own score.
        rank: Its rank from 1; 0 where it did not list the item.
        share: Its part of the blend's score. Where a ranker gave the order, the shares are still the blend's: they say
            what each source brings, and do not sum to the ranker's probability.
    """

    score: float
    rank: int
    share: float


@dataclass(frozen=True)
class Recommended:
    """One recommended item.

    Attributes:
        item_id: Which.
        score: The ranker's probability that it is taken within the horizon, or the blend's score; see
            :attr:`Answer.policy`. 0 where only the fill list brought it.
        source: The generator with the greatest share; where all shares are 0 the one that listed the item first.
        reason: A sentence for people.
        sources: With ``explain``, what each source said that scored the item.
    """

    item_id: str
    score: float
    source: str
    reason: str
    sources: dict[str, SourceShare] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The pipeline's answer; ``degraded`` names every stage that fell back, and how."""

    items: list[Recommended]
    model_version: str
    degraded: list[str] = field(default_factory=list)
    #: How the order came about, for off-policy evaluation: the ranker's kind ("field-dlrm"), "blend" (also where the
    #: ranker fell back), or "store-popular" and "store-trending" where no bundle answers.
    policy: str = "blend"
    stage_ms: dict[str, float] = field(default_factory=dict)
    #: What a ranker saw of the candidates, to be compared with its training.
    observed: Observed | None = None
