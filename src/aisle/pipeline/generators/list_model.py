"""Items that a model of lists expects: by the visitor's history (neighbours, rules, autoencoders), who asks, or both.

Legend of shapes: V item rows of the fit, k candidates, N items of a history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.questions import NOBODY, Questions
from aisle.metrics import Targets
from aisle.pipeline.generators.contract import Candidates, top_candidates
from aisle.pipeline.known_visitors import KnownVisitors
from aisle.pipeline.list_recommenders import (
    HistoryNetwork,
    HistoryRecommender,
    UserRecommender,
    recommender_kind,
    recommender_name,
)
from aisle.pipeline.query import Query

#: Keeps the score of the least likely item positive in float32: it was scored, which 0 would deny.
_LEAST_SCORE = 1e-30


class ListModelGenerator:
    """The items that a model of lists scores highest for the visitor, whose history is read as items alone.

    One whom a model of users does not know is answered from the history where the model reads it, and else not at all.

    An item's score is the model's where that is positive; of a network or of factors of users, whose scores are logits,
    it is the item's probability among the fitted ones. Every fitted item has its score (``scores_V``), so that other
    sources' candidates are scored too.

    Args:
        name: The source's name in answers.
        recommender: Scores all V item rows for a history, whoever asks; or for users, then ``visitors`` are those.
        known_V: The items that were fitted; others are neither read in a history nor proposed.
        visitors: Whom the recommender knows; missing: it does not matter who asks.
    """

    kind = "list_model"

    def __init__(
        self,
        name: str,
        recommender: HistoryRecommender | UserRecommender,
        known_V: NDArray[np.bool_],
        visitors: KnownVisitors | None = None,
    ) -> None:
        self.name = name
        self.recommender = recommender
        self.visitors = visitors
        self._known_V = known_V
        self._reads_history = getattr(recommender, "reads_history", True)

    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        """The items that suit the visitor best."""
        history_N = self._history(query)
        user = NOBODY if self.visitors is None else self.visitors.row(query.user_id)
        if user == NOBODY and not (self._reads_history and len(history_N)):
            return Candidates(np.zeros(0, np.int32), np.zeros(0, np.float32))
        nothing = Targets.from_lists([[]])
        asked = Questions(ItemLists.of([history_N]), nothing, np.array([user], np.int64))
        fitted_V = self.recommender.score(asked)[0]
        known_V = self._known_V[: query.num_rows]
        scores_V = np.zeros(query.num_rows, np.float32)
        scores_V[: len(known_V)][known_V] = self._positive(fitted_V[: len(known_V)][known_V])
        return top_candidates(scores_V, k, eligible_V)

    def _positive(self, scores_N: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.visitors is None and not isinstance(self.recommender, HistoryNetwork):
            return np.maximum(scores_N, 0)
        odds_N = np.exp(scores_N - scores_N.max())
        shares_N: NDArray[np.float32] = np.maximum(odds_N / odds_N.sum(), _LEAST_SCORE).astype(np.float32)
        return shares_N

    def reason(self, query: Query, row: int) -> tuple[str, int | None]:
        """The whole history speaks for an item, no single entry of it."""
        return "Suits what you looked at", None

    def _history(self, query: Query) -> NDArray[np.int32]:
        """The items that were fitted, each once where it came several times in a row."""
        rows_n = query.rows_n[query.rows_n < len(self._known_V)]
        rows_n = rows_n[self._known_V[rows_n]]
        is_another_n = np.ones(len(rows_n), np.bool_)
        is_another_n[1:] = rows_n[1:] != rows_n[:-1]
        return rows_n[is_another_n]

    def save(self, writer: BundleWriter) -> dict[str, Any]:
        """Write the recommender, and which items and visitors it knows."""
        folder = f"generators/{self.name}"
        self.recommender.save(writer, f"{folder}/model")
        fitted: dict[str, NDArray[Any]] = {"known": self._known_V}
        if self.visitors is not None:
            fitted["visitors"] = self.visitors.hashes_N
        writer.write_arrays(f"{folder}/fitted", fitted)
        return {"folder": folder, "recommender": recommender_name(self.recommender)}

    @classmethod
    def load(cls, name: str, bundle: Bundle, parameters: Mapping[str, Any]) -> Self:
        """Read what was saved; large arrays are memory-mapped."""
        folder = parameters["folder"]
        recommender = recommender_kind(parameters["recommender"]).load(bundle, f"{folder}/model")
        fitted = bundle.read_arrays(f"{folder}/fitted")
        visitors = KnownVisitors(fitted["visitors"]) if "visitors" in fitted else None
        return cls(name, recommender, fitted["known"], visitors)
