"""The strong simple baselines that stand beside every result.

They score all items of a user densely, so that nothing is lost to candidate lists. Settings are those that were best
on windows before the tested ones.

Legend of shapes: R questions, V item rows.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from aisle.errors import BackendUnavailableError
from aisle.evaluate.windows import Question, Window
from aisle.pipeline import RepeatPolicy
from aisle.retrieval import Signals, interaction_matrix
from aisle.retrieval.ease import affordable_items, ease_weights

ScoreUsers = Callable[[Sequence[Question], RepeatPolicy], NDArray[np.float32]]
Baseline = Callable[[Window], ScoreUsers]
ScoreBasket = Callable[[NDArray[np.int32]], NDArray[np.float32]]
BasketBaseline = Callable[[Window], ScoreBasket]

POPULAR_DAYS = 28
OWN_HALF_LIFE_DAYS = 180.0
EASE_L2 = 300.0
#: Of each item-to-item baseline; beyond it the most taken items are kept, and the log says so.
MEMORY_GB = 4.0
KNN_NEIGHBOURS = 100
KNN_HALF_LIFE_DAYS = 90.0
BM25_NEIGHBOURS = 1000
BM25_HALF_LIFE_DAYS = 30.0
ALS_FACTORS, ALS_REGULARIZATION, ALS_ALPHA, ALS_ITERATIONS = 256, 20.0, 2.0, 15
BASKET_L2 = 20.0


def user_baselines(signals: Signals) -> dict[str, Baseline]:
    """All baselines of the protocol shop-temporal, by name."""
    fits = _Fits(signals)
    return {
        "popular": lambda window: _same_for_all(fits.popularity(window, None)),
        "popular_28d": lambda window: _same_for_all(fits.popularity(window, POPULAR_DAYS)),
        "own_frequency": lambda window: _own(fits, window, None),
        "own_recency": lambda window: _own(fits, window, OWN_HALF_LIFE_DAYS),
        "item_knn_cosine": lambda window: _profile(fits.knn(window, "cosine"), KNN_HALF_LIFE_DAYS),
        "item_knn_tfidf": lambda window: _profile(fits.knn(window, "tfidf"), KNN_HALF_LIFE_DAYS),
        "item_knn_bm25": lambda window: _profile(
            ItemWeights.fit(fits.taken(window), bm25_weights), BM25_HALF_LIFE_DAYS
        ),
        "als": lambda window: _als(fits, window),
        "ease": lambda window: _profile(fits.ease(window), None),
        "knn_mix": lambda window: _mix(fits, window, fits.knn(window, "tfidf")),
        "ease_mix": lambda window: _mix(fits, window, fits.ease(window)),
    }


def basket_baselines(signals: Signals) -> dict[str, BasketBaseline]:
    """All baselines of the protocol basket-completion, by name."""
    return {
        "ease": lambda window: _basket_weights(window, signals, lambda taken: _ease(taken, BASKET_L2)),
        "cosine": lambda window: _basket_weights(window, signals, lambda taken: pair_weights(taken, "cosine")),
        "jaccard": lambda window: _basket_weights(window, signals, lambda taken: pair_weights(taken, "jaccard")),
        "cooccurrence": lambda window: _basket_weights(window, signals, lambda taken: pair_weights(taken, "count")),
    }


@dataclass(frozen=True)
class ItemWeights:
    """Item-to-item weights among the items that the memory allows; the others get no votes.

    Attributes:
        rows_A: Their rows.
        weights_AA: Row a holds the votes of item a for the others.
    """

    rows_A: NDArray[np.int64]
    weights_AA: NDArray[np.float32]

    @classmethod
    def fit(cls, taken: sparse.csr_matrix, weigh: Callable[[sparse.csr_matrix], NDArray[np.float32]]) -> ItemWeights:
        """Weigh the items of a matrix [rows, V], within ``MEMORY_GB``."""
        rows = affordable_items(taken, MEMORY_GB)
        return cls(rows, weigh(sparse.csr_matrix(taken[:, rows])))

    def votes(self, profiles_RV: sparse.csr_matrix) -> NDArray[np.float32]:
        """The weighted sums of the profiles' items, [R, V]."""
        votes = np.zeros(profiles_RV.shape, np.float32)
        votes[:, self.rows_A] = profiles_RV[:, self.rows_A] @ self.weights_AA
        return votes


class _Fits:
    """Fits that several baselines of one window share; the last window's are kept."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._window: Window | None = None
        self._kept: dict[str, Any] = {}

    @property
    def target(self) -> str:
        """The event type that counts as taken."""
        return self._signals.target

    def _once(self, window: Window, name: str, fit: Callable[[], Any]) -> Any:
        if self._window is not window:
            self._window, self._kept = window, {}
        if name not in self._kept:
            self._kept[name] = fit()
        return self._kept[name]

    def taken(self, window: Window) -> sparse.csr_matrix:
        """Users by items, 1 where taken."""

        def fit() -> sparse.csr_matrix:
            matrix, _ = interaction_matrix(window.snapshot, self._signals, over="users")
            return matrix

        result: sparse.csr_matrix = self._once(window, "taken", fit)
        return result

    def popularity(self, window: Window, days: float | None) -> NDArray[np.float32]:
        """Distinct users per item, within the last ``days``."""
        snapshot = window.snapshot
        events = snapshot.of_type(self._signals.target).filter(pl.col("user") > 0)
        if days is not None:
            events = events.filter(pl.Series(snapshot.age_days(events)) <= days)
        counts = np.zeros(snapshot.num_items, np.float32)
        for item, users in events.group_by("item").agg(pl.col("user").n_unique()).iter_rows():
            counts[item] = users
        return counts

    def ease(self, window: Window) -> ItemWeights:
        """EASE weights."""
        result: ItemWeights = self._once(
            window, "ease", lambda: ItemWeights.fit(self.taken(window), lambda taken: _ease(taken, EASE_L2))
        )
        return result

    def knn(self, window: Window, weighting: Literal["cosine", "tfidf"]) -> ItemWeights:
        """Item-kNN weights: each item is scored by its nearest neighbours in the profile, itself among them."""
        result: ItemWeights = self._once(
            window,
            f"knn_{weighting}",
            lambda: ItemWeights.fit(self.taken(window), lambda taken: knn_weights(taken, weighting)),
        )
        return result


def _ease(taken: sparse.csr_matrix, l2: float) -> NDArray[np.float32]:
    return ease_weights(taken, np.ones(taken.shape[0], np.float32), l2)


def knn_weights(taken: sparse.csr_matrix, weighting: Literal["cosine", "tfidf"]) -> NDArray[np.float32]:
    """Cosine similarity of item columns; of each column the ``KNN_NEIGHBOURS`` greatest are kept, the item among them.

    With ``tfidf`` users are the terms and items the documents: a user of many items says less.
    """
    num_items = taken.shape[1]
    weighted: Any = taken.astype(np.float64)
    if weighting == "tfidf":
        weighted = sparse.diags_array(_idf(num_items, np.asarray(taken.sum(axis=1)).ravel())) @ weighted
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=0)).ravel())
    weighted = weighted @ sparse.diags_array(1 / np.maximum(lengths, 1e-12))
    similarity: NDArray[np.float32] = (weighted.T @ weighted).toarray().astype(np.float32)
    if num_items > KNN_NEIGHBOURS:
        threshold = np.partition(similarity, num_items - KNN_NEIGHBOURS, axis=0)[num_items - KNN_NEIGHBOURS]
        similarity[similarity < threshold] = 0
    return similarity


def bm25_weights(taken: sparse.csr_matrix) -> NDArray[np.float32]:
    """Inner products of BM25-weighted item columns; of each row the ``BM25_NEIGHBOURS`` greatest are kept.

    Users are the documents and items the terms, with k1 = 100 and b = 0.8, as in the library ``implicit``.
    """
    num_users, num_items = taken.shape
    lengths = np.asarray(taken.sum(axis=1)).ravel()
    norm = 100 * (0.2 + 0.8 * lengths / lengths.mean())
    idf = _idf(num_users, np.asarray(taken.sum(axis=0)).ravel())
    weighted = sparse.diags_array(101 / (norm + 1)) @ taken @ sparse.diags_array(idf)
    products: NDArray[np.float32] = (weighted.T @ weighted).toarray().astype(np.float32)
    if num_items > BM25_NEIGHBOURS:
        threshold = np.partition(products, num_items - BM25_NEIGHBOURS, axis=1)[:, num_items - BM25_NEIGHBOURS]
        products[products < threshold[:, None]] = 0
    return products


def _idf(num_documents: int, counts: NDArray[Any]) -> NDArray[np.float64]:
    return np.log(num_documents / (1.0 + counts)).clip(0)


def _same_for_all(scores_V: NDArray[np.float32]) -> ScoreUsers:
    return lambda block, repeat: np.tile(scores_V, (len(block), 1))


def _own_scores(block: Sequence[Question], half_life_days: float | None) -> NDArray[np.float32]:
    scores = np.zeros((len(block), block[0].query.num_rows), np.float32)
    for number, asked in enumerate(block):
        query = asked.query
        ages = query.ages_days_n[query.taken_n]
        weights = np.ones(len(ages)) if half_life_days is None else np.exp2(-ages / half_life_days)
        np.add.at(scores[number], query.rows_n[query.taken_n], weights)
    return scores


def _own(fits: _Fits, window: Window, half_life_days: float | None) -> ScoreUsers:
    """A user's own items; behind them what was popular lately."""
    popular_V = fits.popularity(window, POPULAR_DAYS)
    fill_V = popular_V / max(float(popular_V.max()), 1.0) * 1e-4
    return lambda block, repeat: np.asarray(_own_scores(block, half_life_days) + fill_V, np.float32)


def _profiles(block: Sequence[Question], half_life_days: float | None) -> sparse.csr_matrix:
    parts = [asked.query.profile(half_life_days, len(asked.query.rows_n)) for asked in block]
    indptr = np.concatenate([[0], np.cumsum([len(rows) for rows, _ in parts])])
    rows = np.concatenate([rows for rows, _ in parts])
    weights = np.concatenate([weights for _, weights in parts])
    return sparse.csr_matrix((weights, rows, indptr), shape=(len(block), block[0].query.num_rows))


def _profile(weights: ItemWeights, half_life_days: float | None) -> ScoreUsers:
    return lambda block, repeat: weights.votes(_profiles(block, half_life_days))


def _als(fits: _Fits, window: Window) -> ScoreUsers:
    if importlib.util.find_spec("implicit") is None:
        raise BackendUnavailableError("baseline als: expected the library implicit; pip install 'aisle[baselines]'")
    from implicit.als import AlternatingLeastSquares

    taken = window.snapshot.of_type(fits.target).filter((pl.col("user") > 0) & (pl.col("item") > 0))
    counts = taken.group_by("user", "item").len()
    shape = (window.snapshot.num_users, window.snapshot.num_items)
    values = counts["len"].to_numpy().astype(np.float32)
    matrix = sparse.csr_matrix((values, (counts["user"].to_numpy(), counts["item"].to_numpy())), shape=shape)
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=ALS_FACTORS,
            regularization=ALS_REGULARIZATION,
            alpha=ALS_ALPHA,
            iterations=ALS_ITERATIONS,
            random_state=0,
        )
        model.fit(matrix, show_progress=False)
    users, items = model.user_factors, model.item_factors
    return lambda block, repeat: np.asarray(users[[asked.user for asked in block]] @ items.T)


def _mix(fits: _Fits, window: Window, weights: ItemWeights) -> ScoreUsers:
    """Three parts, each divided by the user's greatest: item-to-item, own recency, popular in the last 28 days."""
    popular_V = fits.popularity(window, POPULAR_DAYS)
    popular_V = popular_V / max(float(popular_V.max()), 1.0)

    def score(block: Sequence[Question], repeat: RepeatPolicy) -> NDArray[np.float32]:
        if repeat == "allow":
            items = _by_greatest(weights.votes(_profiles(block, OWN_HALF_LIFE_DAYS)))
            return items + 2 * _by_greatest(_own_scores(block, OWN_HALF_LIFE_DAYS)) + popular_V
        return _by_greatest(weights.votes(_profiles(block, 30.0))) + np.float32(0.3) * popular_V

    return score


def _by_greatest(scores_RV: NDArray[np.float32]) -> NDArray[np.float32]:
    greatest = scores_RV.max(axis=1, keepdims=True)
    return np.asarray(scores_RV / np.where(greatest > 0, greatest, 1), np.float32)


def _basket_weights(
    window: Window, signals: Signals, weigh: Callable[[sparse.csr_matrix], NDArray[np.float32]]
) -> ScoreBasket:
    """Fitted on the baskets of known users, as those that are asked; scores are summed over the visible items."""
    known = replace(window.snapshot, events=window.snapshot.events.filter(pl.col("user") > 0))
    taken, _ = interaction_matrix(known, signals, over="baskets")
    weights = ItemWeights.fit(taken, weigh)
    position_V = np.full(window.snapshot.num_items, -1)
    position_V[weights.rows_A] = np.arange(len(weights.rows_A))

    def score(visible: NDArray[np.int32]) -> NDArray[np.float32]:
        scores = np.zeros(len(position_V), np.float32)
        at = position_V[visible]
        scores[weights.rows_A] = weights.weights_AA[at[at >= 0]].sum(axis=0)
        return scores

    return score


def pair_weights(taken: sparse.csr_matrix, kind: Literal["cosine", "jaccard", "count"]) -> NDArray[np.float32]:
    """How often two items were in one row: counted, as cosine, or as Jaccard of pairs seen twice or more."""
    together: NDArray[np.float32] = (taken.T @ taken).toarray().astype(np.float32)
    counts = together.diagonal().copy()
    np.fill_diagonal(together, 0)
    if kind == "jaccard":
        together[together < 2] = 0
        return np.asarray(together / np.maximum(counts[:, None] + counts[None, :] - together, 1), np.float32)
    if kind == "cosine":
        return np.asarray(together / np.sqrt(np.maximum(counts[:, None] * counts[None, :], 1)), np.float32)
    return together
