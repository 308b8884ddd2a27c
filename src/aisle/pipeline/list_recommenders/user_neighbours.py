"""The recommender of user-based neighbours: the users most similar to the asker vote for what they took.

Legend of shapes: R questions, U users trained on, V items, N neighbours.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.questions import Questions
from aisle.pipeline.list_recommenders.interactions import (
    WEIGHTINGS,
    column_sums,
    inverse_frequency,
    negative_power,
    row_sums,
    scaled,
    taken_matrix,
)
from aisle.recipe.list_models.collaborative import UserKnnSpec


class UserNeighbours:
    """The training lists, and how similar an asker's history is to each of them.

    Args:
        spec: Weights and the number of neighbours.
        lists: What each user took, each item once.
        num_items: V.
    """

    def __init__(self, spec: UserKnnSpec, lists: ItemLists, num_items: int) -> None:
        self.spec = spec
        self.lists = lists
        self.num_items = num_items
        self._taken_UV = taken_matrix(lists, num_items)
        self._shared_VU = _shared_weights(spec, self._taken_UV.T.tocsr())

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """Scores [R, V]; who asks does not matter: an asker that was trained on is a neighbour like others."""
        taken_RV = taken_matrix(questions.histories, self.num_items)
        similar_RU = (taken_RV @ self._shared_VU).toarray()
        nearest_RU = self._nearest(similar_RU)
        return np.asarray((nearest_RU @ self._taken_UV).toarray(), np.float32)

    def _nearest(self, similar_RU: NDArray[np.float32]) -> sparse.csr_matrix:
        count = min(self.spec.neighbours, similar_RU.shape[1])
        order_RN = np.argpartition(-similar_RU, count - 1, axis=1)[:, :count] if count else np.zeros((0, 0), np.int64)
        order_RN = np.sort(order_RN, axis=1)
        weights_RN = np.take_along_axis(similar_RU, order_RN, axis=1) ** np.float32(self.spec.amplification)
        starts = np.arange(len(similar_RU) + 1) * count
        return sparse.csr_matrix((weights_RN.ravel(), order_RN.ravel(), starts), shape=similar_RU.shape)

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the lists below a folder of a bundle."""
        writer.write_json(f"{folder}/user_neighbours", {"spec": self.spec.model_dump(), "num_items": self.num_items})
        writer.write_arrays(f"{folder}/lists", {"starts": self.lists.starts_R1, "items": self.lists.items_E})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read the lists."""
        settings = bundle.read_json(f"{folder}/user_neighbours")
        arrays = bundle.read_arrays(f"{folder}/lists")
        lists = ItemLists(arrays["starts"], arrays["items"])
        return cls(UserKnnSpec.model_validate(settings["spec"]), lists, settings["num_items"])


def _shared_weights(spec: UserKnnSpec, taken_VU: sparse.csr_matrix) -> sparse.csr_matrix:
    """What an item that an asker took adds to the similarity of each user [V, U].

    How long the asker's own history is scales all of the asker's similarities alike, so it changes no order.
    """
    weighted_VU = WEIGHTINGS[spec.weighting](taken_VU)
    item_V = negative_power(row_sums(taken_VU), spec.item_exponent)
    if spec.weighting != "binary":
        item_V *= inverse_frequency(taken_VU)  # of the asker's own entries
    squared_U = column_sums(weighted_VU.multiply(weighted_VU).tocsr())
    return scaled(item_V, weighted_VU, negative_power(squared_U, spec.user_exponent))
