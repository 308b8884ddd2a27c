"""What is known of each item at one time: popularity, prices, ages, repeats and seasons, fitted from events before it.

Legend of shapes: N events, V item rows, W windows of popularity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.snapshots import FIRST_ROW, Snapshot
from aisle.features.aggregates import (
    NEVER_DAYS,
    Aggregate,
    Allowance,
    EventTable,
    Frequency,
    Interval,
    KeyedEvents,
    LastSeason,
    LogMean,
    Recency,
    WindowedCounts,
    pair_keys,
)
from aisle.schema import Item

#: Where nothing was bought twice yet.
DEFAULT_INTERVAL_DAYS = 30.0
#: One visitor counts for one item at most once, faded; see :class:`~aisle.features.aggregates.Allowance`.
VISITOR_CAP = 1.0


@dataclass(frozen=True, kw_only=True)
class CandidateSettings:
    """Lengths of time in days, and priors; saved with what was fitted under them.

    Attributes:
        popularity_days: Windows in which visitors are counted; four, from the shortest to the longest.
        visitor_half_life_days: A visitor who bought an item before counts again as this time passes.
        season_days: So many days ahead are looked up a year before.
        own_half_life_days: Of the visitor's own purchases of an item.
        recent_half_life_days: The same, shorter; also of all the visitor's purchases.
        seen_half_life_days: Of everything the visitor did with an item, views included.
        group_half_life_days: Of purchases in a category or of a brand.
        price_half_life_days: Of habits in prices and quantities.
        prior_visitors: Added to both sides of a trend.
        prior_buyers: So many average buyers are added to each item's repeat rate and interval.
    """

    popularity_days: tuple[int, int, int, int] = (7, 28, 90, 365)
    visitor_half_life_days: float = 28.0
    season_days: int = 28
    own_half_life_days: float = 180.0
    recent_half_life_days: float = 30.0
    seen_half_life_days: float = 7.0
    group_half_life_days: float = 90.0
    price_half_life_days: float = 365.0
    prior_visitors: float = 2.0
    prior_buyers: float = 5.0


@dataclass(frozen=True)
class ShopEvents:
    """A shop's events in plain columns, ordered by time, then arrival.

    Attributes:
        items_N: Item rows.
        users_N: User rows; 0 where nobody is known.
        visitors_N: Numbers of users and of sessions without a user, from 0.
        times_ms_N: When each happened.
        strengths_N: How much each says (1: a purchase).
        taken_N: Whether it was the event the shop wants.
        quantities_N: Pieces; NaN: not told.
        prices_N: Of one piece; NaN: not told.
        baskets_N: Numbers of orders; -1: none.
    """

    items_N: NDArray[np.int64]
    users_N: NDArray[np.int64]
    visitors_N: NDArray[np.int64]
    times_ms_N: NDArray[np.int64]
    strengths_N: NDArray[np.float64]
    taken_N: NDArray[np.bool_]
    quantities_N: NDArray[np.float64]
    prices_N: NDArray[np.float64]
    baskets_N: NDArray[np.int64]

    @classmethod
    def of_snapshot(cls, snapshot: Snapshot, strengths: Mapping[str, float], target: str) -> ShopEvents:
        """A snapshot's events of the types that say something for an item."""
        told = {kind: strength for kind, strength in strengths.items() if strength > 0}
        session = (pl.lit("s") + pl.col("session_id")).fill_null(pl.lit("n") + pl.int_range(pl.len()).cast(pl.String))
        visitor = pl.when(pl.col("user") > 0).then(pl.lit("u") + pl.col("user").cast(pl.String)).otherwise(session)
        events = (
            snapshot.of_type(*told)
            .filter(pl.col("item") > 0)
            .with_columns(
                visitor=visitor.rank("dense") - 1,
                strength=pl.col("type").replace_strict(told, return_dtype=pl.Float64),
                taken=pl.col("type") == target,
            )
        )
        columns = {name: events[name].cast(pl.Float64).fill_null(float("nan")) for name in ("quantity", "price")}
        return cls(
            items_N=events["item"].cast(pl.Int64).to_numpy(),
            users_N=events["user"].cast(pl.Int64).to_numpy(),
            visitors_N=events["visitor"].cast(pl.Int64).to_numpy(),
            times_ms_N=events["time_ms"].to_numpy(),
            strengths_N=events["strength"].to_numpy(),
            taken_N=events["taken"].to_numpy(),
            quantities_N=columns["quantity"].to_numpy(),
            prices_N=columns["price"].to_numpy(),
            baskets_N=events["basket"].cast(pl.Int64).to_numpy(),
        )

    def taken(self) -> ShopEvents:
        """Only the events the shop wants."""
        return ShopEvents(*(getattr(self, field.name)[self.taken_N] for field in fields(self)))

    def table(self, keys_N: NDArray[np.int64]) -> EventTable:
        """The events with a key each."""
        columns = {"quantities": self.quantities_N, "prices": self.prices_N, "baskets": self.baskets_N}
        return EventTable.of(keys_N, self.times_ms_N, **columns)


@dataclass(frozen=True)
class ItemColumns:
    """What the catalogue says of items, in the order of their rows ("" and NaN: nothing)."""

    prices_V: NDArray[np.float64]
    categories: Sequence[str]
    brands: Sequence[str]

    @classmethod
    def of_snapshot(cls, snapshot: Snapshot) -> ItemColumns:
        """A snapshot's catalogue, with the two reserved rows; the category is the most general one."""
        catalogue = snapshot.catalogue
        prices = catalogue["price"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        reserved = [""] * FIRST_ROW
        return cls(
            np.concatenate([np.full(FIRST_ROW, np.nan), prices]),
            [*reserved, *catalogue["category"].list.get(0, null_on_oob=True).fill_null("")],
            [*reserved, *catalogue["brand"].cast(pl.String).fill_null("")],
        )

    @classmethod
    def of_items(cls, items: Sequence[Item | None]) -> ItemColumns:
        """Records as the catalogue gives them (``None``: no record)."""
        prices = [math.nan if item is None or item.price is None else item.price for item in items]
        return cls(
            np.array(prices, np.float64),
            [item.category[0] if item is not None and item.category else "" for item in items],
            ["" if item is None else item.brand or "" for item in items],
        )


@dataclass(frozen=True)
class ItemTables:
    """One row per item; rows 0 and 1, and items never sold, hold what is said of an unknown item.

    Attributes:
        visitors_VW: Visitors who took it, in each window of popularity.
        interest_V: Visitors who looked at it or took it, in the second shortest window.
        season_V: Visitors who took it in the days ahead, a year before.
        baskets_V: Baskets it was in, ever.
        buyers_V: Known users who took it, ever.
        repeat_rate_V: The share of them who took it on two days or more, towards the shop's where they are few.
        interval_days_V: The mean days from one such day to the next, likewise.
        log_price_V: The catalogue's price, else what was paid; NaN: not known.
        log_quantity_V: The typical quantity.
        first_age_days_V: Days from the first sale to the time of the fit; ``NEVER_DAYS`` where it was never sold.
        last_age_days_V: Days from the last sale.
    """

    visitors_VW: NDArray[np.float64]
    interest_V: NDArray[np.float64]
    season_V: NDArray[np.float64]
    baskets_V: NDArray[np.float64]
    buyers_V: NDArray[np.float64]
    repeat_rate_V: NDArray[np.float64]
    interval_days_V: NDArray[np.float64]
    log_price_V: NDArray[np.float64]
    log_quantity_V: NDArray[np.float64]
    first_age_days_V: NDArray[np.float64]
    last_age_days_V: NDArray[np.float64]

    @property
    def num_rows(self) -> int:
        """V."""
        return len(self.season_V)

    def extended(self, log_prices: NDArray[np.float64]) -> ItemTables:
        """The same with newer items behind: all that is known of them is a price (NaN: not even that)."""
        unknown = np.zeros(len(log_prices), np.int64)
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        grown = {name: np.concatenate([values, values[unknown]]) for name, values in columns.items()}
        return ItemTables(**grown | {"log_price_V": np.concatenate([self.log_price_V, log_prices])})

    def rows_from(self, first: int) -> ItemTables:
        """The rows from one on."""
        return ItemTables(**{field.name: getattr(self, field.name)[first:] for field in fields(self)})


def log_or_nan(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms; NaN where a value is missing or not above 0."""
    with np.errstate(invalid="ignore"):
        return np.log(np.where(np.isfinite(values) & (values > 0), values, np.nan))


def fit_item_tables(
    events: ShopEvents, prices_V: NDArray[np.float64], *, until_ms: int, settings: CandidateSettings
) -> ItemTables:
    """The tables of all items, each an aggregate's as-of form at ``until_ms``; events from then on change nothing.

    Args:
        events: The shop's.
        prices_V: The catalogue's prices by item row, NaN where there is none.
        until_ms: The time of the snapshot.
        settings: Windows and decays.
    """
    taken = events.taken()
    by_item = taken.table(taken.items_N)
    sold = _reader(by_item, len(prices_V), until_ms)
    visited = _reader(by_item.with_weights(_capped(taken, settings)), len(prices_V), until_ms)
    touched = _reader(events.table(events.items_N).with_weights(_capped(events, settings)), len(prices_V), until_ms)
    paid_VF, recency_VF = sold(LogMean("price", settings.price_half_life_days)), sold(Recency())
    listed_V = log_or_nan(prices_V)
    buyers_V, repeat_rate_V, interval_V = _repeats(taken, len(prices_V), until_ms, settings)
    return ItemTables(
        visitors_VW=visited(WindowedCounts(*settings.popularity_days)),
        interest_V=touched(WindowedCounts(settings.popularity_days[1]))[:, 0],
        season_V=visited(LastSeason(settings.season_days))[:, 0],
        baskets_V=sold(Frequency())[:, 1],
        buyers_V=buyers_V,
        repeat_rate_V=repeat_rate_V,
        interval_days_V=interval_V,
        log_price_V=np.where(np.isnan(listed_V) & (paid_VF[:, 1] > 0), paid_VF[:, 0], listed_V),
        log_quantity_V=sold(LogMean("quantity", settings.price_half_life_days))[:, 0],
        first_age_days_V=recency_VF[:, 1],
        last_age_days_V=recency_VF[:, 0],
    )


def _reader(table: EventTable, num_items: int, until_ms: int) -> Callable[[Aggregate[Any]], NDArray[np.float64]]:
    """Reads aggregates of all items as of a time; the events are sorted once for all of them."""
    history = KeyedEvents(table)
    spans = history.spans(np.arange(num_items), np.full(num_items, until_ms))
    return lambda aggregate: aggregate.gather(history, spans)


def _capped(events: ShopEvents, settings: CandidateSettings) -> NDArray[np.float64]:
    """What each event adds to its item's popularity: bots and wholesale do not rule."""
    keys_N = pair_keys(events.visitors_N, events.items_N)
    table = EventTable.of(keys_N, events.times_ms_N, weights=events.strengths_N)
    return Allowance(VISITOR_CAP, settings.visitor_half_life_days).granted(table)


def _repeats(
    taken: ShopEvents, num_items: int, until_ms: int, settings: CandidateSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Buyers, repeat rate and interval of each item, from what each known user did with it."""
    known_N = taken.users_N > 0
    keys_N = pair_keys(taken.users_N, taken.items_N)[known_N]
    table = EventTable.of(keys_N, taken.times_ms_N[known_N])
    pairs = np.unique(keys_N)
    items = pairs & (2**31 - 1)
    history = KeyedEvents(table)
    spans = history.spans(pairs, np.full(len(pairs), until_ms))
    days = Frequency().gather(history, spans)[:, 0]
    gap_days, num_gaps, _ = Interval().gather(history, spans).T
    buyers_V, repeaters_V, gaps_V, stretch_V = (
        np.bincount(items, values, minlength=num_items).astype(np.float64)
        for values in (days > 0, days > 1, num_gaps, gap_days * num_gaps)
    )
    overall_rate = repeaters_V.sum() / max(buyers_V.sum(), 1.0)
    overall_days = stretch_V.sum() / gaps_V.sum() if gaps_V.sum() else DEFAULT_INTERVAL_DAYS
    prior = settings.prior_buyers
    repeat_rate_V = (repeaters_V + prior * overall_rate) / (buyers_V + prior)
    interval_V = np.clip((stretch_V + prior * overall_days) / (gaps_V + prior), 1.0, NEVER_DAYS)
    return buyers_V, repeat_rate_V, interval_V
