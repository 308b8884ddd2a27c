"""Temporal windows: what is asked at a snapshot's time, and what visitors took in the days after it.

The same windows train a blend (earlier ones) and test a pipeline (later ones).

Legend of shapes: R users of a window, V item rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.snapshots import ShopLog, Snapshot
from aisle.pipeline import Query, RepeatPolicy
from aisle.retrieval import Signals
from aisle.schema import DAY_MS
from aisle.store.contract import UNTOLD_TYPE

#: Names of a window's two questions, as they stand in metric names, by repeat policy.
VARIANT_OF: dict[RepeatPolicy, str] = {"allow": "all", "exclude": "new"}


@dataclass(frozen=True)
class Question:
    """One user at the snapshot's time.

    Attributes:
        user: The user's row in the snapshot.
        query: The profile.
        owned: Item rows the user took before, ascending.
        targets: Item rows the user took in the window, ascending.
    """

    user: int
    query: Query
    owned: NDArray[np.int32]
    targets: NDArray[np.int32]


@dataclass(frozen=True)
class Window:
    """A snapshot and the days after it.

    Candidates are the items that known users took before; users are those who took something before and take a
    candidate in the window. With ``exclude`` (variant ``new``), items a user took before are neither candidates nor
    targets.
    """

    snapshot: Snapshot
    horizon_days: int
    candidates_V: NDArray[np.bool_]
    questions: Sequence[Question]

    def asked(self, repeat: RepeatPolicy) -> list[Question]:
        """The questions that have a target under a repeat policy, targets accordingly."""
        if repeat == "allow":
            return list(self.questions)
        return self._new_questions

    @cached_property
    def _new_questions(self) -> list[Question]:
        new = [
            Question(asked.user, asked.query, asked.owned, np.setdiff1d(asked.targets, asked.owned))
            for asked in self.questions
        ]
        return [asked for asked in new if len(asked.targets)]

    def eligible_V(self, asked: Question, repeat: RepeatPolicy) -> NDArray[np.bool_]:
        """The candidates of one question."""
        if repeat == "allow":
            return self.candidates_V
        eligible = self.candidates_V.copy()
        eligible[asked.owned] = False
        return eligible


def cut_windows(log: ShopLog, *, horizon_days: int, count: int) -> list[int]:
    """Start times of the last ``count`` windows, the latest first; they follow each other without a gap."""
    return [log.end_ms - number * horizon_days * DAY_MS for number in range(1, count + 1)]


def build_window(
    log: ShopLog, snapshot: Snapshot, *, horizon_days: int, signals: Signals, history_limit: int
) -> Window:
    """The questions of the ``horizon_days`` after a snapshot."""
    taken = snapshot.of_type(signals.target).filter((pl.col("user") > 0) & (pl.col("item") > 0))
    candidates_V = np.zeros(snapshot.num_items, np.bool_)
    candidates_V[taken["item"].unique().to_numpy()] = True
    until_ms = snapshot.until_ms + horizon_days * DAY_MS
    later = log.during(snapshot, until_ms, signals.target).filter(pl.col("user") > 0).select("user", "item").unique()
    later = later.filter(pl.Series(candidates_V[later["item"].to_numpy()], dtype=pl.Boolean))
    asked_users = taken["user"].unique()
    later = later.filter(pl.col("user").is_in(asked_users.implode()))
    targets = dict(later.sort("user", "item").group_by("user", maintain_order=True).agg("item").iter_rows())
    owned = dict(taken.select("user", "item").unique().sort("user", "item").group_by("user").agg("item").iter_rows())
    queries = visitor_queries(snapshot, list(targets), signals=signals, history_limit=history_limit)
    questions = [
        Question(user, queries[user], np.array(owned.get(user, []), np.int32), np.array(items, np.int32))
        for user, items in targets.items()
    ]
    return Window(snapshot, horizon_days, candidates_V, questions)


def visitor_queries(
    snapshot: Snapshot, users: Sequence[int], *, signals: Signals, history_limit: int
) -> dict[int, Query]:
    """Profiles of users at the snapshot's time, as a server would build them from the same events.

    Args:
        snapshot: What may be known.
        users: User rows.
        signals: Strengths of event types; others are left out of the profile.
        history_limit: Only the last so many events of a user, but impressions, are read.
    """
    strengths = {kind: strength for kind, strength in signals.strengths.items() if strength > 0}
    events = (
        snapshot.events.filter(pl.col("user").is_in(list(users)) & (pl.col("type") != UNTOLD_TYPE))
        .select("user", "item", "time_ms", "type", "quantity", "price")
        .with_columns(from_end=pl.int_range(pl.len(), 0, -1).over("user"))
        .filter((pl.col("from_end") <= history_limit) & pl.col("type").is_in(list(strengths)) & (pl.col("item") > 0))
        .group_by("user", "item", "time_ms", "type", maintain_order=True)
        .agg(
            quantity=pl.when(pl.col("quantity").count() > 0).then(pl.col("quantity").sum()),
            price=pl.col("price").first(),
        )
        .with_columns(strength=pl.col("type").replace_strict(strengths, return_dtype=pl.Float32))
    )
    empty = events.head(0)
    by_user = {user: part for (user,), part in events.partition_by("user", as_dict=True, include_key=True).items()}
    return {user: _query(snapshot, user, by_user.get(user, empty), signals.target) for user in users}


def _query(snapshot: Snapshot, user: int, events: pl.DataFrame, target: str) -> Query:
    return Query(
        snapshot.until_ms,
        snapshot.num_items,
        events["item"].to_numpy().astype(np.int32),
        events["time_ms"].to_numpy().astype(np.int64),
        events["strength"].to_numpy().astype(np.float32),
        (events["type"] == target).to_numpy().astype(np.bool_),
        events["quantity"].fill_null(float("nan")).to_numpy().astype(np.float64),
        events["price"].fill_null(float("nan")).to_numpy().astype(np.float64),
        snapshot.user_ids[user] if user < snapshot.num_users else None,
    )
