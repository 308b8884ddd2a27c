"""Aggregates: what is counted per item, user or pair, streamed event by event or read as of any time from a table."""

from aisle.features.aggregates.allowance import Allowance
from aisle.features.aggregates.contract import NEVER_DAYS, Aggregate
from aisle.features.aggregates.decayed_count import DecayedCount
from aisle.features.aggregates.event import GLOBAL_KEY, Event, EventTable, pair_keys
from aisle.features.aggregates.frequency import Frequency
from aisle.features.aggregates.history import KeyedEvents, Spans
from aisle.features.aggregates.interval import Interval
from aisle.features.aggregates.last_season import LastSeason
from aisle.features.aggregates.log_mean import LogMean
from aisle.features.aggregates.recency import Recency
from aisle.features.aggregates.sums import Sums
from aisle.features.aggregates.windowed_count import WindowedCounts

__all__ = [
    "GLOBAL_KEY",
    "NEVER_DAYS",
    "Aggregate",
    "Allowance",
    "DecayedCount",
    "Event",
    "EventTable",
    "Frequency",
    "Interval",
    "KeyedEvents",
    "LastSeason",
    "LogMean",
    "Recency",
    "Spans",
    "Sums",
    "WindowedCounts",
    "pair_keys",
]
