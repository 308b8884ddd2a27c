"""Measures of ranked lists against the items that were truly taken.

Shapes: R lists, K positions, V items. ``ranked_RK`` holds item rows in the order of rank; a list that is shorter than K
is padded with -1 at its end. Every list is judged on its first ``k`` positions; positions that a list does not fill are
misses. Lists without any target have no value (NaN): leave them out before, or average with ``numpy.nanmean``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.signedinteger[Any]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Targets:
    """The relevant items of R lists in compressed rows: list r has ``items[indptr[r]:indptr[r + 1]]``.

    Repeated targets of one list count once.
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int64]

    @classmethod
    def from_lists(cls, lists: Sequence[Sequence[int] | Ints]) -> Targets:
        """Build from one array of item rows per list."""
        sizes = np.fromiter((len(one) for one in lists), np.int64, len(lists))
        items = np.concatenate([np.asarray(one, np.int64) for one in lists]) if sizes.sum() else np.empty(0, np.int64)
        return cls.from_pairs(np.repeat(np.arange(len(lists)), sizes), items, len(lists))

    @classmethod
    def from_pairs(cls, lists: Ints, items: Ints, num_lists: int) -> Targets:
        """Build from (list, item) pairs in any order, repeats allowed."""
        lists, items = np.asarray(lists, np.int64), np.asarray(items, np.int64)
        if lists.shape != items.shape:
            raise ValueError(f"expected as many lists as items, received {lists.shape} and {items.shape}")
        if items.size and (items.min() < 0 or lists.min() < 0 or lists.max() >= num_lists):
            raise ValueError(f"expected item rows >= 0 and lists from 0 to {num_lists - 1}")
        order = np.lexsort((items, lists))
        lists, items = lists[order], items[order]
        fresh = np.ones(len(items), bool)
        fresh[1:] = (lists[1:] != lists[:-1]) | (items[1:] != items[:-1])
        indptr = np.zeros(num_lists + 1, np.int64)
        np.cumsum(np.bincount(lists[fresh], minlength=num_lists), out=indptr[1:])
        return cls(indptr, items[fresh])

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many targets each list has."""
        return np.diff(self.indptr)


TargetsLike = Targets | Sequence[Sequence[int] | Ints]


def hits(ranked_RK: Ints, targets: TargetsLike, k: int) -> NDArray[np.bool_]:
    """Which of the first k positions hold a target; the base of the other measures (share it among several k).

    Raises:
        ValueError: k is not positive, the shapes differ, an item stands twice in a list, or a list has a gap.
    """
    targets = _as_targets(targets)
    ranked_RK = np.asarray(ranked_RK)
    if ranked_RK.ndim != 2 or len(ranked_RK) != len(targets):
        raise ValueError(f"expected {len(targets)} lists in two dimensions, received the shape {ranked_RK.shape}")
    if k < 1:
        raise ValueError(f"expected k >= 1, received {k}")
    top_RK = ranked_RK[:, :k].astype(np.int64, copy=False)
    _check_lists(top_RK)
    if not targets.items.size:
        return np.zeros(top_RK.shape, bool)
    # One number per (list, item), so that all lists are looked up in one sorted search.
    width = max(int(targets.items.max()), int(top_RK.max(initial=-1))) + 2
    target_keys = np.repeat(np.arange(len(targets)), targets.sizes) * width + targets.items + 1
    keys_RK = np.arange(len(targets))[:, None] * width + top_RK + 1  # -1 becomes 0, which no target has
    place_RK = np.minimum(np.searchsorted(target_keys, keys_RK), len(target_keys) - 1)
    found_RK: NDArray[np.bool_] = target_keys[place_RK] == keys_RK
    return found_RK


def recall(ranked_RK: Ints, targets: TargetsLike, k: int) -> Floats:
    """Hits among the first k / min(k, number of targets): 1 is reachable for every list."""
    targets = _as_targets(targets)
    return _ratio(hits(ranked_RK, targets, k).sum(axis=1), np.minimum(k, targets.sizes))


def recall_plain(ranked_RK: Ints, targets: TargetsLike, k: int) -> Floats:
    """Hits among the first k / number of targets."""
    targets = _as_targets(targets)
    return _ratio(hits(ranked_RK, targets, k).sum(axis=1), targets.sizes)


def hit_rate(ranked_RK: Ints, targets: TargetsLike, k: int) -> Floats:
    """1 where at least one of the first k is a target."""
    targets = _as_targets(targets)
    return _ratio(np.asarray(hits(ranked_RK, targets, k).any(axis=1)), np.minimum(1, targets.sizes))


def ndcg(ranked_RK: Ints, targets: TargetsLike, k: int) -> Floats:
    """Normalized discounted cumulative gain, binary: each hit counts 1/log2(position + 1), over the best reachable.

    The best is min(k, number of targets) hits at the top.

    Source: Jarvelin and Kekalainen, "Cumulated gain-based evaluation of IR techniques", 2002.
    """
    targets = _as_targets(targets)
    hits_RK = hits(ranked_RK, targets, k)
    discount_K = 1.0 / np.log2(np.arange(2, k + 2))
    ideal_K = np.concatenate([[0.0], np.cumsum(discount_K)])
    return _ratio(hits_RK @ discount_K[: hits_RK.shape[1]], ideal_K[np.minimum(k, targets.sizes)])


def mrr(ranked_RK: Ints, targets: TargetsLike, k: int) -> Floats:
    """1 / the position of the first target among the first k, 0 where there is none."""
    targets = _as_targets(targets)
    hits_RK = hits(ranked_RK, targets, k)
    if hits_RK.shape[1] == 0:
        return _ratio(np.zeros(len(targets)), np.minimum(1, targets.sizes))
    first_R = np.where(hits_RK.any(axis=1), 1.0 / (hits_RK.argmax(axis=1) + 1), 0.0)
    return _ratio(first_R, np.minimum(1, targets.sizes))


def coverage(ranked_RK: Ints, num_items: int, k: int) -> float:
    """The share of the catalogue that stands among the first k of at least one list."""
    if num_items < 1 or k < 1:
        raise ValueError(f"expected num_items >= 1 and k >= 1, received {num_items} and {k}")
    shown = np.unique(np.asarray(ranked_RK)[:, :k])
    return float((shown >= 0).sum() / num_items)


def intra_list_diversity(ranked_RK: Ints, vectors_VD: NDArray[np.floating[Any]], k: int) -> Floats:
    """The mean cosine distance (1 - cosine) of the pairs among the first k; NaN for lists of fewer than two.

    Args:
        ranked_RK: Item rows, -1 where a list has ended.
        vectors_VD: What describes each item (one-hot categories, embeddings); a zero vector has cosine 0 to all.
        k: How many positions count.

    Source: Ziegler et al., "Improving recommendation lists through topic diversification", 2005.
    """
    top_RK = np.asarray(ranked_RK)[:, :k]
    norms_V = np.linalg.norm(vectors_VD, axis=1)
    unit_VD = vectors_VD / np.where(norms_V > 0, norms_V, 1.0)[:, None]
    is_item_RK = top_RK >= 0
    # The sum over all pairs is (|sum of the vectors|^2 - sum of the squares) / 2, so no pair need be formed.
    sum_RD = np.zeros((len(top_RK), unit_VD.shape[1]))
    squares_R = np.zeros(len(top_RK))
    for position in range(top_RK.shape[1]):
        rows_R = top_RK[:, position]
        sum_RD += np.where(is_item_RK[:, position, None], unit_VD[rows_R], 0.0)
        squares_R += np.where(is_item_RK[:, position], (norms_V > 0)[rows_R], 0.0)
    num_R = is_item_RK.sum(axis=1)
    cosine_R = ((sum_RD**2).sum(axis=1) - squares_R) / 2
    pairs_R = num_R * (num_R - 1) / 2
    return _ratio(pairs_R - cosine_R, pairs_R)


def _as_targets(targets: TargetsLike) -> Targets:
    return targets if isinstance(targets, Targets) else Targets.from_lists(targets)


def _check_lists(top_RK: NDArray[np.int64]) -> None:
    is_item_RK = top_RK >= 0
    if bool((is_item_RK[:, 1:] & ~is_item_RK[:, :-1]).any()):
        raise ValueError("expected -1 only at the end of a list, received an item after a -1")
    sorted_RK = np.sort(top_RK, axis=1)
    if bool(((sorted_RK[:, 1:] == sorted_RK[:, :-1]) & (sorted_RK[:, 1:] >= 0)).any()):
        raise ValueError("expected each item at most once in a list: a repeated hit would count twice")


def _ratio(numerator_R: NDArray[Any], denominator_R: NDArray[Any]) -> Floats:
    values_R = np.full(len(numerator_R), np.nan)
    np.divide(numerator_R, denominator_R, out=values_R, where=np.asarray(denominator_R) > 0)
    return values_R
