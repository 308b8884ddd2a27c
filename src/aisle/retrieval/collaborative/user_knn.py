"""User-based neighbours: the users most similar to the asker vote for what they took.

Source: Herlocker et al., "An algorithmic framework for performing collaborative filtering", SIGIR 1999; Aiolli,
"Efficient top-N recommendation for very large scale binary rated datasets", RecSys 2013.
Deviations: interactions are binary; rare shared items can count for more, similar users too (by an exponent).

Legend of shapes: R questions, U users trained on, V items, N neighbours.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, Questions
from aisle.progress import Progress, silent
from aisle.recipe.list_models.collaborative import UserKnnSpec
from aisle.retrieval.collaborative.interactions import (
    column_sums,
    negative_power,
    row_sums,
    scaled,
    taken_matrix,
)


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
        item_V = negative_power(column_sums(self._taken_UV), spec.item_exponent)
        user_U = negative_power(row_sums(self._taken_UV), spec.user_exponent)
        self._shared_VU = scaled(user_U, self._taken_UV, item_V).T.tocsr()

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """Scores [R, V]; who asks does not matter: an asker that was trained on is a neighbour like others."""
        taken_RV = taken_matrix(questions.histories, self.num_items)
        # An asker's own length scales all of the asker's similarities alike, so it changes no order.
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


def fit_user_knn(spec: UserKnnSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent) -> UserNeighbours:
    """The training lists are the model; nothing is drawn."""
    return UserNeighbours(spec, split.train, split.num_items)
