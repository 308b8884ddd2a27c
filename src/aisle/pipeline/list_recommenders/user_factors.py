"""The recommender of matrix factorization that keeps a vector per user.

Legend of shapes: R questions, U users trained on, N chosen users, V items, D factors.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import Questions
from aisle.pipeline.list_recommenders.user_table import UserTable


class UserFactors:
    """The inner product of the asker's vector and each item's, plus the item's bias.

    Args:
        users_UD: One vector per training list; an asker who was not trained on has their mean.
        items_VD: One vector per item.
        bias_V: Added to each item's scores.
    """

    reads_history = False

    def __init__(
        self, users_UD: NDArray[np.float32], items_VD: NDArray[np.float32], bias_V: NDArray[np.float32]
    ) -> None:
        self.users_UD = users_UD
        self.items_VD = items_VD
        self.bias_V = bias_V
        self._users = UserTable(users_UD)

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """Scores [R, V]; histories are not read."""
        return self._users.of(questions.users_R) @ self.items_VD.T + self.bias_V

    def of_users(self, users_N: NDArray[np.int64]) -> UserFactors:
        """The same, which knows these users alone, in this order."""
        return UserFactors(self.users_UD[users_N], self.items_VD, self.bias_V)

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the vectors below a folder of a bundle."""
        writer.write_arrays(folder, {"users": self.users_UD, "items": self.items_VD, "bias": self.bias_V})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read the vectors, memory-mapped."""
        arrays = bundle.read_arrays(folder)
        return cls(arrays["users"], arrays["items"], arrays["bias"])
