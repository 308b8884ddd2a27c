"""Checks what a workspace holds before anything is trained on it: each finding has a count and an advice."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl

from aisle.progress import Progress, silent
from aisle.schema import DAY_MS, format_timestamp
from aisle.store import FIRST_ROW, Store

Severity = Literal["error", "warning", "info"]

#: Less than this is too little to learn from (an error) or to measure on (a warning).
MIN_EVENTS, MIN_USERS, MIN_ITEMS = 1000, 50, 20
#: What the recipe `shop` needs: windows to test on, to calibrate on and to learn from, and as much before them.
MIN_DAYS = 112
#: A stretch without any event that is a gap.
GAP_DAYS = 7
#: A visitor with more events than both is a bot, a wholesaler or a shared account.
HEAVY_EVENTS, HEAVY_MEDIANS = 1000, 50
#: Before this (1990), a time was most likely read in the wrong unit.
OLDEST_MS = 631_152_000_000
#: Shares above which a finding is a warning.
MANY_ANONYMOUS, MANY_UNKNOWN = 0.5, 0.05


@dataclass(frozen=True)
class Finding:
    """Something about the data that whoever trains on it should know."""

    code: str
    severity: Severity
    count: int
    message: str
    advice: str


@dataclass(frozen=True)
class Validation:
    """What was looked at, and what was found, the most serious first.

    ``num_events`` counts a list event once; the findings and ``types`` count each of its items.
    """

    num_events: int
    num_users: int
    num_items: int
    num_catalogue: int
    first: str | None
    last: str | None
    types: dict[str, int]
    findings: list[Finding]

    @property
    def is_fit(self) -> bool:
        """Whether nothing stands against training."""
        return not any(finding.severity == "error" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {"ok": self.is_fit} | asdict(self)


def validate(store: Store, progress: Progress = silent) -> Validation:
    """Check a workspace's events and catalogue; memory grows by eight bytes per event."""
    catalogue = store.catalogue_as_of(None)
    facts = _Facts(store.now_ms(), catalogue["item_row"].to_numpy())
    total = store.num_events()
    for batch in store.scan_events():
        facts.add(batch)
        progress("validate", min(facts.num_rows, total), total)
    findings = [
        *_amounts(facts),
        *_times(facts),
        *_events(facts),
        *_catalogue(facts, catalogue),
    ]
    severities = ("error", "warning", "info")
    found = sorted((one for one in findings if one.count), key=lambda one: severities.index(one.severity))
    return Validation(
        num_events=total,
        num_users=int((facts.per_user > 0).sum()),
        num_items=int((facts.per_item > 0).sum()),
        num_catalogue=len(catalogue),
        first=format_timestamp(facts.first_ms) if total else None,
        last=format_timestamp(facts.last_ms) if total else None,
        types=dict(facts.types.most_common()),
        findings=found,
    )


@dataclass
class _Facts:
    """What one pass over the events counts; one row per item of an event."""

    now_ms: int
    catalogue_rows: np.ndarray
    num_rows: int = 0
    first_ms: int = 2**62
    last_ms: int = -(2**62)
    num_out_of_order: int = 0
    num_future: int = 0
    num_ancient: int = 0
    num_anonymous: int = 0
    types: Counter[str] = field(default_factory=Counter)
    days: set[int] = field(default_factory=set)
    per_user: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    per_item: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    hashes: list[np.ndarray] = field(default_factory=list)

    def add(self, batch: pl.DataFrame) -> None:
        """Count one batch, in the order of arrival."""
        times = batch["time_ms"].to_numpy()
        newest_before = np.maximum.accumulate(np.concatenate([[self.last_ms], times]))
        self.num_out_of_order += int((times < newest_before[:-1]).sum())
        self.first_ms, self.last_ms = min(self.first_ms, int(times.min())), int(newest_before[-1])
        self.num_future += int((times > self.now_ms).sum())
        self.num_ancient += int((times < OLDEST_MS).sum())
        is_believable = (times <= self.now_ms) & (times >= OLDEST_MS)
        self.days.update(np.unique(times[is_believable] // DAY_MS).tolist())
        user_rows = batch["user_row"].to_numpy()
        self.num_anonymous += int((user_rows == 0).sum())
        self.per_user = _add_counts(self.per_user, user_rows[user_rows >= FIRST_ROW])
        self.per_item = _add_counts(self.per_item, batch["item_row"].to_numpy())
        self.types.update(dict(batch.group_by("type").len().iter_rows()))
        self.hashes.append(batch.drop("seq").hash_rows(seed=0).to_numpy())
        self.num_rows += len(batch)

    @property
    def num_repeated(self) -> int:
        """Rows that say exactly what an earlier row says."""
        return self.num_rows - (len(np.unique(np.concatenate(self.hashes))) if self.hashes else 0)

    def gaps(self) -> list[int]:
        """The lengths in days of the stretches without an event."""
        days = np.array(sorted(self.days))
        empty = np.diff(days) - 1
        return [int(length) for length in empty if length >= GAP_DAYS]


def _add_counts(counts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    new = np.bincount(rows, minlength=len(counts))
    new[: len(counts)] += counts
    return new


def _amounts(facts: _Facts) -> list[Finding]:
    num_users, num_items = int((facts.per_user > 0).sum()), int((facts.per_item > 0).sum())
    findings = []
    if facts.num_rows == 0:
        advice = "import some with: aisle import events FILE"
        return [Finding("no_events", "error", 1, "there are no events", advice)]
    for code, count, least, what in (
        ("too_few_events", facts.num_rows, MIN_EVENTS, "events"),
        ("too_few_users", num_users, MIN_USERS, "users with events"),
        ("too_few_items", num_items, MIN_ITEMS, "items with events"),
    ):
        if count < least:
            advice = "collect or import more; until then popular and trending items are the best there is"
            findings.append(Finding(code, "error", max(count, 1), f"{count} {what}, expected at least {least}", advice))
    num_days = max(facts.days) - min(facts.days) + 1 if facts.days else 0
    if num_days < MIN_DAYS:
        message = f"the events span {num_days} days, expected at least {MIN_DAYS}"
        advice = "import older events, or train with shorter windows: --set windows.horizon_days=N"
        findings.append(Finding("too_short", "warning", max(num_days, 1), message, advice))
    if facts.types["purchase"] == 0:
        advice = (
            "if the file holds sales, map their type (--map type:=purchase); else train on another: --set target=view"
        )
        findings.append(Finding("no_purchases", "warning", 1, "there are no purchases", advice))
    return findings


def _times(facts: _Facts) -> list[Finding]:
    gaps = facts.gaps()
    longest = max(gaps, default=0)
    return [
        Finding(
            "time_gaps",
            "warning",
            len(gaps),
            f"{len(gaps)} stretches of {GAP_DAYS} days and more without events, the longest {longest} days",
            "look whether a file is missing; holidays are no harm",
        ),
        Finding(
            "in_future",
            "warning",
            facts.num_future,
            f"{facts.num_future} events lie after the workspace's time ({format_timestamp(facts.now_ms)})",
            "correct their times and import them again; they would look newer than anything live",
        ),
        Finding(
            "ancient",
            "warning",
            facts.num_ancient,
            f"{facts.num_ancient} events lie before {format_timestamp(OLDEST_MS)}",
            "look at the unit of their times: Unix numbers are seconds or milliseconds",
        ),
        Finding(
            "out_of_order",
            "info",
            facts.num_out_of_order,
            f"{facts.num_out_of_order} events arrived after later ones",
            "no harm to training; files in the order of time import faster",
        ),
    ]


def _events(facts: _Facts) -> list[Finding]:
    counts = facts.per_user[facts.per_user > 0]
    limit = max(HEAVY_EVENTS, HEAVY_MEDIANS * float(np.median(counts))) if len(counts) else 0.0
    heavy = counts[counts > limit]
    share = facts.num_anonymous / facts.num_rows if facts.num_rows else 0.0
    repeated = facts.num_repeated
    return [
        Finding(
            "heavy_users",
            "warning",
            len(heavy),
            f"{len(heavy)} users have more than {limit:,.0f} events each, together {int(heavy.sum())}",
            "bots, wholesalers or shared accounts: consider leaving them out of the files",
        ),
        Finding(
            "anonymous",
            "warning" if share > MANY_ANONYMOUS else "info",
            facts.num_anonymous,
            f"{share:.1%} of the events have no user, only a session",
            "sessions teach what goes together; personal recommendations need user_id",
        ),
        Finding(
            "repeated",
            "info",
            repeated,
            f"{repeated} events say exactly what an earlier one says",
            "right for lines of an order; if they come from a double export, give events an event_id",
        ),
    ]


def _catalogue(facts: _Facts, catalogue: pl.DataFrame) -> list[Finding]:
    if not len(catalogue):
        advice = "import one with: aisle import items FILE; titles and categories reach new items"
        return [Finding("no_catalogue", "warning", 1, "there is no catalogue", advice)]
    is_known = np.zeros(max(len(facts.per_item), int(facts.catalogue_rows.max()) + 1), bool)
    is_known[facts.catalogue_rows] = True
    per_item = np.zeros(len(is_known), np.int64)
    per_item[: len(facts.per_item)] = facts.per_item
    unknown = int(per_item[~is_known].sum())
    num_unknown_items = int((per_item[~is_known] > 0).sum())
    share = unknown / facts.num_rows if facts.num_rows else 0.0
    never = int((per_item[is_known] == 0).sum())
    no_title = catalogue["title"].null_count()
    no_category = len(catalogue.filter(pl.col("category").list.len() == 0))
    no_price = catalogue["price"].null_count()
    return [
        Finding(
            "unknown_items",
            "warning" if share > MANY_UNKNOWN else "info",
            unknown,
            f"{unknown} events are of {num_unknown_items} items that are not in the catalogue",
            "import their records, or look whether both files spell the ids alike",
        ),
        Finding(
            "no_title", "warning", no_title, f"{no_title} items have no title", "titles say what new items are like"
        ),
        Finding("no_category", "info", no_category, f"{no_category} items have no category", "lists vary by category"),
        Finding("no_price", "info", no_price, f"{no_price} items have no price", "price filters leave such items out"),
        Finding("never_seen", "info", never, f"{never} items have no event", "they are shown as new items only"),
    ]
