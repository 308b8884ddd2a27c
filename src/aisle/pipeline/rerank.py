"""The rerank stage: what a list must be beyond the order of scores.

One of a family of variants, complete, visibly touched by what the visitor just did, with a place for what is new.

Legend of shapes: n answered items, V item rows.
"""

from __future__ import annotations

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
    """An answer in rows, best first; ``placed`` names the source of each row that a rule put in its place."""

    rows_n: NDArray[np.int32]
    scores_n: NDArray[np.float32]
    placed: dict[int, str] = field(default_factory=dict)


def one_of_a_family(answer: Answered, family_V: NDArray[np.int64] | None, limit: int) -> Answered:
    """The first ``limit`` items, of each family of variants only the best.

    Args:
        answer: Any number of items.
        family_V: The family of each row, negative where it is not known; ``None``: there are no families.
        limit: At most so many are kept.
    """
    kept = np.arange(min(limit, len(answer.rows_n)))
    if family_V is not None:
        families = family_V[answer.rows_n]
        families = np.where(families < 0, -2 - np.arange(len(families)), families)  # unknown: a family of its own
        _, first = np.unique(families, return_index=True)
        kept = np.sort(first)[:limit]
    return replace(answer, rows_n=answer.rows_n[kept], scores_n=answer.scores_n[kept])


def fill(
    answer: Answered,
    filler: Generator,
    query: Query,
    limit: int,
    eligible_V: NDArray[np.bool_],
    family_V: NDArray[np.int64] | None,
) -> Answered:
    """Complete a short answer from a popularity list; the added items score 0."""
    free = eligible_V.copy()
    free[answer.rows_n] = False
    asked = 2 * limit
    while True:
        more = filler.candidates(query, asked, free).rows_k
        rows = np.concatenate([answer.rows_n, more])
        scores = np.pad(answer.scores_n, (0, len(more)))
        longer = one_of_a_family(replace(answer, rows_n=rows, scores_n=scores), family_V, limit)
        if len(longer.rows_n) == limit or len(more) < asked:
            return longer
        asked *= 4  # most of them were variants of each other


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
