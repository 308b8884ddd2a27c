"""Chooses a blend's weights by coordinate ascent, on the items that its parts rank best for each question.

Legend of shapes: R questions, B questions of a block, V items, P parts, C items of a question, K answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from aisle.data.questions import Questions
from aisle.metrics import Targets, hit_rate, mrr, ndcg
from aisle.retrieval.transitions.parts import Part

#: A part brings so many of its best items to each question.
CANDIDATES_OF_A_PART = 100
#: What a weight is multiplied by, to see whether that is better.
STEPS = (0.0, 0.25, 0.5, 0.8, 1.25, 2.0, 4.0, 8.0)
#: Rounds over all parts; the search also ends when a round changes nothing.
ROUNDS = 8
_BLOCK = 32

_MEASURES: dict[str, Callable[[NDArray[np.int64], Targets, int], NDArray[np.float64]]] = {
    "ndcg": ndcg,
    "hr": hit_rate,
    "mrr": mrr,
}


def relative_scores(scores_RV: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores over each question's greatest magnitude; all 0 stays 0."""
    greatest_R1 = np.maximum(scores_RV.max(axis=1, keepdims=True), -scores_RV.min(axis=1, keepdims=True))
    relative_RV = np.zeros_like(scores_RV)
    np.divide(scores_RV, greatest_R1, out=relative_RV, where=greatest_R1 > 0)
    return relative_RV


def best_weights(
    parts: Sequence[Part], given_P: Sequence[float | None], questions: Questions, num_items: int, metric: str
) -> list[float]:
    """Weights that add up to 1, under which the blend answers best.

    Args:
        parts: Fitted on lists that do not hold the answers.
        given_P: Weights that are kept, up to a common factor; missing: chosen.
        questions: What validates.
        num_items: V.
        metric: Such as ``ndcg@20``; the mean over questions.
    """
    items_RC, scores_PRC = candidates(parts, questions, num_items)
    kind, _, k = metric.partition("@")

    def quality(weights_P: list[float]) -> float:
        blended_RC = np.tensordot(np.array(weights_P, np.float32), scores_PRC, axes=1)
        ranked_RK = _ranked(items_RC, blended_RC, int(k))
        return float(_MEASURES[kind](ranked_RK, questions.targets, int(k)).mean())

    weights_P = [1.0 if weight is None else weight for weight in given_P]
    best = quality(weights_P)
    free = [place for place, weight in enumerate(given_P) if weight is None]
    for _ in range(ROUNDS):
        before = best
        for place in free:
            mean = float(np.mean(weights_P)) or 1.0
            for step in STEPS:
                tried_P = [*weights_P]
                tried_P[place] = (weights_P[place] or mean) * step
                if sum(tried_P) > 0 and (reached := quality(tried_P)) > best:
                    best, weights_P = reached, tried_P
        if best == before:
            break
    return [weight / sum(weights_P) for weight in weights_P]


def candidates(
    parts: Sequence[Part], questions: Questions, num_items: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The items that any part ranks among its best [R, C], -1 behind the last, and the parts' relative scores of them.

    What a question masks, or does not name where it names candidates, is not among them.
    """
    each = min(CANDIDATES_OF_A_PART, num_items)
    items_RC = np.full((len(questions), each * len(parts)), -1, np.int64)
    scores_PRC = np.zeros((len(parts), *items_RC.shape), np.float32)
    for start in range(0, len(questions), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = questions.take(rows)
        scores_PBV = np.stack([relative_scores(part.score(block)) for part in parts])
        allowed_PBV = np.where(_allowed(block, num_items), scores_PBV, -np.inf)
        best_PBk = np.argpartition(-allowed_PBV, each - 1, axis=2)[:, :, :each]
        is_best_BV = np.zeros(allowed_PBV.shape[1:], np.bool_)
        np.put_along_axis(is_best_BV, np.concatenate(list(best_PBk), axis=1), True, axis=1)
        is_best_BV &= _allowed(block, num_items)
        row_N, item_N = np.nonzero(is_best_BV)
        place_N = np.arange(len(row_N)) - np.searchsorted(row_N, row_N)
        items_RC[start + row_N, place_N] = item_N
        scores_PRC[:, start + row_N, place_N] = scores_PBV[:, row_N, item_N]
    return items_RC, scores_PRC


def _allowed(questions: Questions, num_items: int) -> NDArray[np.bool_]:
    """Which items may be answered: [R, V]."""
    allowed_RV = np.full((len(questions), num_items), questions.candidates_RK is None)
    if questions.candidates_RK is not None:
        row_N, place_N = np.nonzero(questions.candidates_RK >= 0)
        allowed_RV[row_N, questions.candidates_RK[row_N, place_N]] = True
    elif questions.masked is not None:
        allowed_RV[questions.masked.list_E, questions.masked.items_E] = False
    return allowed_RV


def _ranked(items_RC: NDArray[np.int64], blended_RC: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The best items of each row, best first, -1 behind the last."""
    values_RC = np.where(items_RC >= 0, blended_RC, -np.inf)
    k = min(k, values_RC.shape[1])
    best_RK = np.argpartition(-values_RC, k - 1, axis=1)[:, :k]
    order_RK = np.argsort(-np.take_along_axis(values_RC, best_RK, axis=1), axis=1, kind="stable")
    return np.take_along_axis(items_RC, np.take_along_axis(best_RK, order_RK, axis=1), axis=1)
