"""Items near to what the visitor's history says, in the space of a two-tower model.

Legend of shapes: V item rows, k candidates, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.index import Index, open_index
from aisle.pipeline.generators.contract import Candidates, top_candidates
from aisle.pipeline.generators.towers import Towers, says_something
from aisle.pipeline.query import Query
from aisle.recipe.indexes import ExactSpec, IndexSpec, index_spec
from aisle.schema import Item

#: Keeps the score of the farthest item positive in float32: it was scored, which 0 would deny.
_LEAST_SCORE = 1e-30


class TwoTowerGenerator:
    """Nearest items to the query's vector; an item's score is exp((cosine - 1) / temperature), at most 1.

    With the exact index every item has a score (``scores_V``), so that other sources' candidates are scored too; with
    another index only the items it finds.

    Args:
        name: The source's name in answers.
        towers: Encode queries and items.
        towers_name: Names the towers in the bundle; several sources may share them.
        temperature: Of the training: score ratios are those of the trained probabilities.
        index: Which index searches the vectors.
    """

    kind = "two_tower"

    def __init__(
        self, name: str, towers: Towers, *, towers_name: str, temperature: float, index: IndexSpec | None = None
    ) -> None:
        self.name = name
        self.towers = towers
        self._towers_name = towers_name
        self._temperature = temperature
        self._index_spec = index or ExactSpec()
        self._index: Index | None = None
        if not isinstance(self._index_spec, ExactSpec):  # exact search is one product, which gives all scores at once
            self._index = open_index(self._index_spec, dimension=towers.vectors_VD.shape[1])
            self._index.add(towers.vectors_VD)
            self._has_vector_V = says_something(towers.vectors_VD)

    def set_new_items(self, items: Sequence[Item | None]) -> None:
        """Say which items stand behind the bundle's rows."""
        self.towers.set_new_items(items)

    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        """The nearest items."""
        query_D = self.towers.query_vector(query)
        if query_D is None:
            return Candidates(np.zeros(0, np.int32), np.zeros(0, np.float32))
        if self._index is None:
            return top_candidates(scores_of_all(self.towers, query_D, query.num_rows, self._temperature), k, eligible_V)
        return self._nearest(self._index, query_D, k, eligible_V)

    def _nearest(self, index: Index, query_D: NDArray[np.float32], k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        """The best of the fitted items that the index finds, and of all newer ones."""
        num_fitted = self.towers.num_fitted
        ids_1k, cosines_1k = index.search(query_D[None], k, mask_V=eligible_V[:num_fitted] & self._has_vector_V)
        found = ids_1k[0] >= 0
        new_KD = self.towers.new_vectors_KD[: max(len(eligible_V) - num_fitted, 0)]
        new = np.flatnonzero(says_something(new_KD) & eligible_V[num_fitted : num_fitted + len(new_KD)])
        rows = np.concatenate([ids_1k[0][found], num_fitted + new]).astype(np.int32)
        scores = score(np.concatenate([cosines_1k[0][found], new_KD[new] @ query_D]), self._temperature)
        best = np.lexsort([rows, -scores])[:k]
        return Candidates(rows[best], scores[best])

    def reason(self, query: Query, row: int) -> tuple[str, int | None]:
        """Names the history item that is nearest to ``row``."""
        because = nearest_entry(self.towers, query, row)
        return ("Suits what you looked at", None) if because is None else ("Fits with {item}", because)

    def save(self, writer: BundleWriter) -> dict[str, Any]:
        """Write the towers, once for all sources that share them."""
        folder = f"generators/{self._towers_name}"
        return {
            "arrays": folder,
            "towers_name": self._towers_name,
            "towers": self.towers.save(writer, folder),
            "temperature": self._temperature,
            "index": self._index_spec.model_dump(),
        }

    @classmethod
    def load(cls, name: str, bundle: Bundle, parameters: Mapping[str, Any]) -> Self:
        """Read what was saved."""
        return cls(
            name,
            Towers.load(bundle, parameters["arrays"], parameters["towers"]),
            towers_name=parameters["towers_name"],
            temperature=parameters["temperature"],
            index=index_spec(parameters["index"]),
        )


def score(cosines: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """exp((cosine - 1) / temperature), never 0."""
    scores: NDArray[np.float32] = np.maximum(np.exp((cosines - 1) / temperature), _LEAST_SCORE).astype(np.float32)
    return scores


def scores_of_all(
    towers: Towers, query_D: NDArray[np.float32], num_rows: int, temperature: float
) -> NDArray[np.float32]:
    """The scores [V] of all items; 0 where nothing is known of an item."""
    scores_V = np.zeros(num_rows, np.float32)
    for start, vectors_KD in [(0, towers.vectors_VD), (towers.num_fitted, towers.new_vectors_KD)]:
        vectors = vectors_KD[: max(num_rows - start, 0)]
        scores = np.where(vectors.any(axis=1), score(vectors @ query_D, temperature), np.float32(0))
        scores_V[start : start + len(vectors)] = scores
    return scores_V


def nearest_entry(towers: Towers, query: Query, row: int) -> int | None:
    """The item row of the history entry that is nearest to an item."""
    entries = towers.entries(query)
    if not len(entries):
        return None
    rows = query.rows_n[entries]
    likeness = towers.vectors(rows) @ towers.vectors(np.array([row], np.int32))[0]
    return int(rows[int(np.argmax(likeness))])
