"""The rerank stage: what a list must be beyond the order of scores.

One of a family of variants, within the caps of categories and brands, complete, visibly touched by what the visitor
just did, with a place for what is new. Caps come last: an item that a rule gave a place keeps them too.

Legend of shapes: n answered items, V item rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from aisle.pipeline.generators import Generator
from aisle.pipeline.placement import LatestRule, NewcomerRule
from aisle.pipeline.query import Query

#: A neighbour of the latest item counts as shown among the first so many answers.
VISIBLE_ITEMS = 10


@dataclass(frozen=True)
class Answered:
    """An answer in rows, best first; ``placed`` names the source of each row that a rule or filler put in its place."""

    rows_n: NDArray[np.int32]
    scores_n: NDArray[np.float32]
    placed: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cap:
    """At most so many items of one group in a list: one of a family of variants, three of a brand.

    Attributes:
        group_V: The group of each row; a negative row is of none, and never capped.
        most: How many of each group may stand in a list, at least 1.
    """

    group_V: NDArray[np.int64]
    most: int


def within_caps(answer: Answered, caps: Sequence[Cap], limit: int) -> Answered:
    """The first ``limit`` items that keep every cap, greedily in their order.

    An item that one cap refuses does not count for the others.
    """
    groups = [cap.group_V[answer.rows_n].tolist() for cap in caps]
    counts: list[dict[int, int]] = [{} for _ in caps]
    kept: list[int] = []
    for at in range(len(answer.rows_n)):
        if len(kept) == limit:
            break
        if all(
            group[at] < 0 or count.get(group[at], 0) < cap.most
            for cap, group, count in zip(caps, groups, counts, strict=True)
        ):
            kept.append(at)
            for group, count in zip(groups, counts, strict=True):
                count[group[at]] = count.get(group[at], 0) + 1
    return replace(answer, rows_n=answer.rows_n[kept], scores_n=answer.scores_n[kept])


def fill(
    answer: Answered,
    name: str,
    filler: Generator,
    query: Query,
    limit: int,
    eligible_V: NDArray[np.bool_],
    caps: Sequence[Cap],
) -> Answered:
    """Complete a short answer that keeps the caps from one source; the added items score 0 and bear its name."""
    asked = 2 * limit
    while len(answer.rows_n) < limit:
        more = filler.candidates(query, asked, _open_V(answer, eligible_V, caps)).rows_k
        rows = np.concatenate([answer.rows_n, more])
        placed = {**dict.fromkeys(more.tolist(), name), **answer.placed}
        # Each of them would do by itself, so a round adds at least one.
        answer = within_caps(Answered(rows, np.pad(answer.scores_n, (0, len(more))), placed), caps, limit)
        if len(more) < asked:
            break
    return answer


def _open_V(answer: Answered, eligible_V: NDArray[np.bool_], caps: Sequence[Cap]) -> NDArray[np.bool_]:
    """Which rows could be added to an answer: eligible, not in it, of no group that is full."""
    open_V = eligible_V.copy()
    open_V[answer.rows_n] = False
    for cap in caps:
        groups, counts = np.unique(cap.group_V[answer.rows_n], return_counts=True)
        full = groups[(groups >= 0) & (counts >= cap.most)]
        if len(full):
            open_V &= ~np.isin(cap.group_V, full)
    return open_V


def answer_latest(
    answer: Answered,
    rule: LatestRule,
    neighbours: Generator,
    query: Query,
    limit: int,
    eligible_V: NDArray[np.bool_],
) -> Answered:
    """Give the nearest neighbour of the latest item a place, where none of the near ones is to be seen."""
    if len(query.rows_n) == 0 or query.ages_days_n[-1] * 24 * 60 > rule.within_minutes:
        return answer
    latest = query.rows_n[-1:]
    free = eligible_V.copy()
    free[latest] = False
    asked = Query.of_items(latest, now_ms=query.now_ms, num_rows=query.num_rows)
    near = neighbours.candidates(asked, rule.nearest, free).rows_k
    if len(near) == 0 or np.isin(answer.rows_n[: min(limit, VISIBLE_ITEMS)], near).any():
        return answer
    return _with_place(answer, int(near[0]), min(rule.place, limit), rule.source)


def answer_newcomer(
    answer: Answered, rule: NewcomerRule, rows_K: NDArray[np.int32], ranks_K: NDArray[np.int32], limit: int
) -> Answered:
    """Give the newcomer that suits the visitor best a place, where none of those that suit stands further up.

    Args:
        answer: Any number of items.
        rule: See there.
        rows_K: Candidates that nobody took yet.
        ranks_K: Their ranks in the rule's source, from 1; 0 where it did not list them.
        limit: How many items the answer will have.
    """
    suits_K = (ranks_K > 0) & (ranks_K <= rule.nearest)
    if rule.place > limit or not suits_K.any() or np.isin(answer.rows_n[: rule.place], rows_K[suits_K]).any():
        return answer
    nearest = int(np.argmin(np.where(suits_K, ranks_K, np.iinfo(ranks_K.dtype).max)))
    return _with_place(answer, int(rows_K[nearest]), rule.place, rule.source)


def _with_place(answer: Answered, row: int, place: int, source: str) -> Answered:
    """A row at a place from 1, or at the end of a shorter answer, with the score of the one that it pushes down."""
    others = answer.rows_n != row
    rows, scores = answer.rows_n[others], answer.scores_n[others]
    at = min(place, len(rows) + 1) - 1
    score = scores[at] if at < len(scores) else np.float32(0)
    return Answered(np.insert(rows, at, row), np.insert(scores, at, score), {**answer.placed, row: source})
