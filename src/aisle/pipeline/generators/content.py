"""Items whose titles, categories and brands are like those of the profile; also finds items newer than the bundle.

An item's text becomes a TF-IDF vector, projected to a few dozen dimensions (latent semantic analysis: Deerwester et
al., "Indexing by latent semantic analysis", JASIS 1990). A title that arrives after the fit is encoded with the same
vocabulary, so a new item is found the moment it is in the catalogue.

Legend of shapes: V item rows of the bundle, W vocabulary size, D dimensions, n profile items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.index import Index, open_index
from aisle.pipeline.generators.contract import Candidates
from aisle.pipeline.generators.neighbours import MAX_PROFILE_ITEMS
from aisle.pipeline.query import Query
from aisle.pipeline.text import item_tokens
from aisle.recipe.indexes import ExactSpec, IndexSpec, index_spec
from aisle.schema import Item


@dataclass(frozen=True)
class TextEncoder:
    """The fitted state that turns tokens into a unit vector.

    Attributes:
        vocabulary: Token to row of the projection.
        idf_W: Inverse document frequencies.
        projection_WD: From TF-IDF space to D dimensions.
    """

    vocabulary: dict[str, int]
    idf_W: NDArray[np.float32]
    projection_WD: NDArray[np.float32]

    def encode(self, tokens: Sequence[str]) -> NDArray[np.float32]:
        """A vector of length 1, or zeros where no token is known."""
        counts = Counter(row for token in tokens if (row := self.vocabulary.get(token)) is not None)
        if not counts:
            return np.zeros(self.projection_WD.shape[1], np.float32)
        rows = np.fromiter(counts.keys(), np.int64, len(counts))
        weights = (1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))) * self.idf_W[rows]
        return unit(weights @ self.projection_WD[rows])


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vector at length 1; zeros stay zeros."""
    length = float(np.linalg.norm(vector))
    return (vector / length if length > 0 else vector).astype(np.float32)


class ContentGenerator:
    """Nearest items by text.

    Args:
        name: The source's name in answers.
        encoder: Encodes the titles of items that the fit did not know.
        vectors_VD: Unit vectors by item row; zeros where an item has no text.
        half_life_days: How fast profile entries lose weight.
        index: Which index searches the vectors.
    """

    kind = "content"

    def __init__(
        self,
        name: str,
        encoder: TextEncoder,
        vectors_VD: NDArray[np.float32],
        *,
        half_life_days: float | None = None,
        index: IndexSpec | None = None,
    ) -> None:
        self.name = name
        self._encoder = encoder
        self._vectors_VD = vectors_VD
        self._half_life_days = half_life_days
        self._index_spec = index or ExactSpec()
        self._index: Index = open_index(self._index_spec, dimension=vectors_VD.shape[1])
        self._index.add(vectors_VD)
        self._new_tokens: list[tuple[str, ...]] = []
        self._new_vectors_VD = np.zeros((0, vectors_VD.shape[1]), np.float32)

    def set_new_items(self, items: Sequence[Item | None]) -> None:
        """Say which items stand behind the bundle's rows, in their order; each is found by its text."""
        known = dict(zip(self._new_tokens, self._new_vectors_VD, strict=True))
        keys = [() if item is None else tuple(item_tokens(item.title, item.category, item.brand)) for item in items]
        vectors = [known[key] if key in known else self._encoder.encode(key) for key in keys]
        self._new_tokens = keys
        self._new_vectors_VD = np.stack(vectors) if vectors else np.zeros((0, self._vectors_VD.shape[1]), np.float32)

    def candidates(self, query: Query, k: int, eligible_V: NDArray[np.bool_]) -> Candidates:
        """The items nearest to the profile's weighted mean vector, by cosine; only positive ones."""
        query_D = self._query_vector(query)
        if query_D is None:
            return Candidates(np.zeros(0, np.int32), np.zeros(0, np.float32))
        num_fitted = len(self._vectors_VD)
        ids, scores = self._index.search(query_D[None], k, mask_V=eligible_V[:num_fitted])
        found = ids[0] >= 0
        new_scores = np.where(
            eligible_V[num_fitted : num_fitted + len(self._new_vectors_VD)],
            self._new_vectors_VD[: max(query.num_rows - num_fitted, 0)] @ query_D,
            0,
        )
        rows = np.concatenate([ids[0][found], np.arange(num_fitted, num_fitted + len(new_scores))]).astype(np.int32)
        values = np.concatenate([scores[0][found], new_scores]).astype(np.float32)
        best = np.argsort(-values, kind="stable")[:k]
        best = best[values[best] > 1e-6]
        return Candidates(rows[best], values[best])

    def _query_vector(self, query: Query) -> NDArray[np.float32] | None:
        rows, weights = query.profile(self._half_life_days, MAX_PROFILE_ITEMS)
        vectors_nD = self._vectors(rows)
        query_D = unit(weights @ vectors_nD) if len(rows) else np.zeros(0, np.float32)
        return query_D if query_D.any() else None

    def _vectors(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        num_fitted = len(self._vectors_VD)
        vectors = np.zeros((len(rows), self._vectors_VD.shape[1]), np.float32)
        fitted = rows < num_fitted
        vectors[fitted] = self._vectors_VD[rows[fitted]]
        new = (rows >= num_fitted) & (rows < num_fitted + len(self._new_vectors_VD))
        vectors[new] = self._new_vectors_VD[rows[new] - num_fitted]
        return vectors

    def reason(self, query: Query, row: int) -> tuple[str, int | None]:
        """Names the profile item that is most like ``row``."""
        rows, _ = query.profile(self._half_life_days, MAX_PROFILE_ITEMS)
        if len(rows) == 0:
            return "Similar to what you looked at", None
        likeness = self._vectors(rows) @ self._vectors(np.array([row], np.int32))[0]
        return "Similar to {item}", int(rows[int(np.argmax(likeness))])

    def save(self, writer: BundleWriter) -> dict[str, Any]:
        """Write vocabulary, projection and vectors."""
        folder = f"generators/{self.name}"
        writer.write_json(f"{folder}/vocabulary", list(self._encoder.vocabulary))
        arrays = {"idf": self._encoder.idf_W, "projection": self._encoder.projection_WD, "vectors": self._vectors_VD}
        writer.write_arrays(folder, arrays)
        return {"arrays": folder, "half_life_days": self._half_life_days, "index": self._index_spec.model_dump()}

    @classmethod
    def load(cls, name: str, bundle: Bundle, parameters: Mapping[str, Any]) -> Self:
        """Read what was saved."""
        arrays = bundle.read_arrays(parameters["arrays"])
        tokens: list[str] = bundle.read_json(f"{parameters['arrays']}/vocabulary")
        encoder = TextEncoder({token: row for row, token in enumerate(tokens)}, arrays["idf"], arrays["projection"])
        return cls(
            name,
            encoder,
            arrays["vectors"],
            half_life_days=parameters["half_life_days"],
            index=index_spec(parameters["index"]),
        )
