"""Ranks all items for many questions in bounded memory: scores are made block by block, and only the best are kept.

Legend of shapes: R questions, B questions of a block, V items, K answered items, L candidates of a sampled protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import BundleWriter
from aisle.data.questions import ListSplit, Questions
from aisle.evaluate.report import MEASURES
from aisle.progress import Progress, silent

#: Scores of a block take so many bytes at most.
BLOCK_BYTES = 16 << 20
_CHUNK = 64


class ListRecommender(Protocol):
    """Scores items for those who ask. The higher, the likelier; what may not be answered is masked by others."""

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """The scores [R, V] of all items; may read histories and users, never targets."""
        ...


class SavedRecommender(ListRecommender, Protocol):
    """A recommender that a bundle can hold."""

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write its files below a folder of a bundle; the class method ``load`` reads them."""
        ...


def rank(
    recommender: ListRecommender, questions: Questions, num_items: int, k: int, *, progress: Progress = silent
) -> NDArray[np.int64]:
    """The best items of each question, best first; equal scores in the order of item rows.

    Args:
        recommender: Scores.
        questions: Where they name candidates, only those are ranked.
        num_items: V.
        k: K, how many.
        progress: Told of questions done.

    Returns:
        Item rows [R, K], -1 behind a list that is shorter.

    Raises:
        ValueError: scores have another shape, or one is not a number.
    """
    block = max(1, BLOCK_BYTES // (4 * num_items))
    ranked_RK = np.full((len(questions), k), -1, np.int64)
    for start in range(0, len(questions), block):
        progress("rank", start, len(questions))
        rows = slice(start, start + block)
        part = questions.take(rows)
        scores_BV = _checked(recommender.score(part), len(part), num_items)
        if part.candidates_RK is not None:
            best_BK = _among(scores_BV, part.candidates_RK, k)
            ranked_RK[rows, : best_BK.shape[1]] = best_BK
            continue
        if part.masked is not None:
            scores_BV[part.masked.list_E, part.masked.items_E] = -np.inf
        best_BK = best_rows(scores_BV, k)
        ranked_RK[rows, : best_BK.shape[1]] = best_BK
    return ranked_RK


def best_rows(scores_BV: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The columns of the ``k`` greatest values of each row, greatest first, equal ones in order; -1 for minus infinity.

    The greatest ``k`` values lie in the ``k`` chunks of columns whose maxima are greatest, so only those are sorted.
    """
    num_columns = scores_BV.shape[1]
    k = min(k, num_columns)
    if num_columns < 4 * k * _CHUNK:
        columns_BL = np.broadcast_to(np.arange(num_columns), scores_BV.shape)
    else:
        chunks_Bk = np.sort(_greatest(_chunk_maxima(scores_BV), k), axis=1)
        columns_BL = (chunks_Bk[:, :, None] * _CHUNK + np.arange(_CHUNK)).reshape(len(scores_BV), -1)
        columns_BL = np.minimum(columns_BL, num_columns - 1)
    values_BL = np.take_along_axis(scores_BV, columns_BL, axis=1)
    values_BL[:, 1:][columns_BL[:, 1:] == columns_BL[:, :-1]] = -np.inf  # the last chunk may be short
    order_Bk = _greatest(values_BL, k)
    ranked_Bk: NDArray[np.int64] = np.take_along_axis(columns_BL, order_Bk, axis=1).astype(np.int64)
    ranked_Bk[np.isneginf(np.take_along_axis(values_BL, order_Bk, axis=1))] = -1
    return ranked_Bk


def _greatest(values_BL: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    return np.argsort(-values_BL, axis=1, kind="stable")[:, :k]


def _chunk_maxima(scores_BV: NDArray[np.float32]) -> NDArray[np.float32]:
    """The greatest value of each run of columns."""
    whole = scores_BV.shape[1] // _CHUNK
    step, item = scores_BV.strides
    runs = np.lib.stride_tricks.as_strided(
        scores_BV, (len(scores_BV), whole, _CHUNK), (step, _CHUNK * item, item), writeable=False
    )
    maxima: NDArray[np.float32] = runs.max(axis=2)
    if whole * _CHUNK == scores_BV.shape[1]:
        return maxima
    return np.concatenate([maxima, scores_BV[:, whole * _CHUNK :].max(axis=1, keepdims=True)], axis=1)


def evaluate_split(
    recommender: ListRecommender,
    split: ListSplit,
    metrics: Sequence[str],
    *,
    part: str = "test",
    progress: Progress = silent,
) -> Mapping[str, NDArray[np.float64]]:
    """Each metric's value per question of a part.

    Args:
        recommender: What is measured.
        split: The data.
        metrics: Such as ``hr@10``, ``ndcg@10``, ``mrr@20``, ``recall_plain@20``.
        part: ``test`` or ``valid``.
        progress: Told of questions done.

    Returns:
        Values [R] by name, ``test/hr@10/full``.
    """
    questions: Questions = getattr(split, part)
    length = max(_k_of(metric) for metric in metrics)
    ranked_RK = rank(recommender, questions, split.num_items, length, progress=progress)
    return {
        f"{part}/{name}/{split.protocol}": MEASURES[name.partition("@")[0]](ranked_RK, questions.targets, _k_of(name))
        for name in metrics
    }


def _k_of(metric: str) -> int:
    kind, _, k = metric.partition("@")
    if kind not in MEASURES or not k.isdecimal() or int(k) < 1:
        raise ValueError(f"expected a metric such as ndcg@10 of {', '.join(MEASURES)}, received {metric!r}")
    return int(k)


def _checked(scores_BV: NDArray[np.float32], num_questions: int, num_items: int) -> NDArray[np.float32]:
    if scores_BV.shape != (num_questions, num_items):
        raise ValueError(f"expected scores of the shape {(num_questions, num_items)}, received {scores_BV.shape}")
    if np.isnan(scores_BV.max(initial=-np.inf)):  # a maximum with a NaN among its values is one
        raise ValueError("expected scores that are numbers, received NaN")
    return scores_BV


def _among(scores_BV: NDArray[np.float32], candidates_BL: NDArray[np.int32], k: int) -> NDArray[np.int64]:
    """The candidates of each question, best first; of equal scores the later candidate stands first.

    The target stands first among the candidates of the sampled protocols: a model that scores all alike must not win.
    """
    values_BL = np.take_along_axis(scores_BV, np.maximum(candidates_BL, 0).astype(np.int64), axis=1)
    values_BL[candidates_BL < 0] = -np.inf
    width = candidates_BL.shape[1]
    order_BK = (width - 1 - np.argsort(-values_BL[:, ::-1], axis=1, kind="stable"))[:, :k]
    ranked_BK: NDArray[np.int64] = np.take_along_axis(candidates_BL, order_BK, axis=1).astype(np.int64)
    return ranked_BK
