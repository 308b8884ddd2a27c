"""The recommender of session kNN: the past lists most like the asker's history vote for their items.

Legend of shapes: R questions, S training lists, V items.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.questions import Questions
from aisle.pipeline.list_recommenders.interactions import (
    column_sums,
    negative_power,
    recency_weights,
    row_sums,
    scaled,
    taken_matrix,
)
from aisle.pipeline.list_recommenders.sparse_rows import latest_of_rows, strongest_of_rows
from aisle.pipeline.list_recommenders.weighted_histories import weighted_histories
from aisle.recipe.list_models.transitions import VsknnSpec


class SessionNeighbours:
    """The training lists, and how their items are weighed.

    Args:
        spec: Weights and numbers of neighbours.
        lists: Past lists, the latest last.
        num_items: V.
    """

    def __init__(self, spec: VsknnSpec, lists: ItemLists, num_items: int) -> None:
        self.spec = spec
        self.lists = lists
        self.num_items = num_items
        taken_SV = taken_matrix(lists, num_items)
        lists_V = column_sums(taken_SV)
        rarity_V = (np.log(max(len(lists), 1) / np.maximum(lists_V, 1)) ** spec.idf).astype(np.float32)
        weight_S = negative_power(row_sums(taken_SV), spec.list_exponent) * recency_weights(len(lists), spec.recency)
        self._similar_VS = scaled(weight_S, taken_SV, None).T.tocsr()
        self._votes_SV = scaled(None, taken_SV, rarity_V)

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """Scores [R, V]; who asks does not matter, only what was taken."""
        history_RV = weighted_histories(questions.histories, self.spec.history, self.num_items)
        similarity_RS = latest_of_rows((history_RV @ self._similar_VS).tocsr(), self.spec.sample)
        similarity_RS.data **= np.float32(self.spec.amplification)
        nearest_RS = strongest_of_rows(similarity_RS, self.spec.neighbours)
        return np.asarray((nearest_RS @ self._votes_SV).toarray(), np.float32)

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the lists below a folder of a bundle."""
        arrays: dict[str, NDArray[Any]] = {
            "starts": self.lists.starts_R1,
            "items": self.lists.items_E,
            "num_items": np.array(self.num_items),
        }
        writer.write_arrays(folder, arrays)
        writer.write_json(f"{folder}/spec", self.spec.model_dump())

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read the lists, memory-mapped."""
        arrays = bundle.read_arrays(folder)
        spec = VsknnSpec.model_validate(bundle.read_json(f"{folder}/spec"))
        return cls(spec, ItemLists(arrays["starts"], arrays["items"]), int(arrays["num_items"]))
