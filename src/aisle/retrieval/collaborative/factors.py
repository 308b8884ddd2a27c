"""The recommender of matrix factorization that keeps a vector per user.

Legend of shapes: R questions, U users trained on, V items, D factors.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import NOBODY, Questions


class UserFactors:
    """The inner product of the asker's vector and each item's, plus the item's bias.

    Args:
        users_UD: One vector per training list; an asker who was not trained on has their mean.
        items_VD: One vector per item.
        bias_V: Added to each item's scores.
    """

    def __init__(
        self, users_UD: NDArray[np.float32], items_VD: NDArray[np.float32], bias_V: NDArray[np.float32]
    ) -> None:
        self.users_UD = users_UD
        self.items_VD = items_VD
        self.bias_V = bias_V
        self._mean_D = users_UD.mean(axis=0)

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """Scores [R, V]; histories are not read."""
        is_known_R = questions.users_R != NOBODY
        users_RD = np.where(is_known_R[:, None], self.users_UD[np.maximum(questions.users_R, 0)], self._mean_D)
        return users_RD @ self.items_VD.T + self.bias_V

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the vectors below a folder of a bundle."""
        writer.write_arrays(folder, {"users": self.users_UD, "items": self.items_VD, "bias": self.bias_V})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read the vectors, memory-mapped."""
        arrays = bundle.read_arrays(folder)
        return cls(arrays["users"], arrays["items"], arrays["bias"])
