"""The recommender of matrix factorization that keeps vectors of items alone and folds the asker in.

Legend of shapes: R questions, V items, D factors, T items of a history.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import Questions
from aisle.pipeline.list_recommenders.interactions import taken_matrix


class FoldedFactors:
    """Item vectors; the asker's vector is the least-squares answer to the history, so nobody need be trained on.

    With Y the item vectors and Y_h those of the history, the asker's x solves
    (Y'Y + (alpha - 1) Y_h'Y_h + regularization I) x = alpha Y_h'1: the half step of alternating least squares.

    Args:
        items_VD: Y.
        alpha: The confidence in what was taken; what was not has 1.
        regularization: Added to the diagonal, positive.
    """

    def __init__(self, items_VD: NDArray[np.float32], alpha: float, regularization: float) -> None:
        self.items_VD = items_VD
        self.alpha = alpha
        self.regularization = regularization
        self._gram_DD = items_VD.T @ items_VD + np.float32(regularization) * np.eye(items_VD.shape[1], dtype=np.float32)

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """Scores [R, V]; who asks does not matter, only what was taken."""
        return self.fold_in(questions) @ self.items_VD.T

    def fold_in(self, questions: Questions) -> NDArray[np.float32]:
        """The vector [R, D] of each asker."""
        taken_RV = taken_matrix(questions.histories, len(self.items_VD))
        grams_RDD = np.repeat(self._gram_DD[None], len(questions), axis=0)
        sums_RD = np.zeros((len(questions), self.items_VD.shape[1]), np.float32)
        for row in range(len(questions)):
            taken_T = taken_RV.indices[taken_RV.indptr[row] : taken_RV.indptr[row + 1]]
            history_TD = self.items_VD[taken_T]
            grams_RDD[row] += np.float32(self.alpha - 1) * (history_TD.T @ history_TD)
            sums_RD[row] = self.alpha * history_TD.sum(axis=0)
        users_RD: NDArray[np.float32] = np.linalg.solve(grams_RDD, sums_RD[:, :, None])[:, :, 0]
        return users_RD

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the vectors below a folder of a bundle."""
        writer.write_json(f"{folder}/fold_in", {"alpha": self.alpha, "regularization": self.regularization})
        writer.write_arrays(f"{folder}/factors", {"items": self.items_VD})

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read the vectors, memory-mapped."""
        settings = bundle.read_json(f"{folder}/fold_in")
        items_VD = bundle.read_arrays(f"{folder}/factors")["items"]
        return cls(items_VD, settings["alpha"], settings["regularization"])
