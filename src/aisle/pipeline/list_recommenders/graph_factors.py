"""The recommender of LightGCN that folds the asker's history in, beside a vector of the user's own.

Legend of shapes: R questions, U users trained on, N chosen users, V items, D dimension.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import Questions
from aisle.pipeline.list_recommenders.interactions import taken_matrix


class GraphFactors:
    """The inner product of items with the asker's vector, own share + the sum of the history's shares / root of n.

    So a node's vector comes about from its neighbours in the graph: on the history that was trained on it is the
    trained one, and a later history is felt. One who was not trained on has no share of their own.

    Args:
        own_UD: Each user's own share.
        shares_VD: What each item brings to one who took it.
        items_VD: One vector per item.
        bias_V: Added to each item's scores.
        normalize: Whether the asker's vector is scaled to length 1.
    """

    reads_history = True

    def __init__(
        self,
        own_UD: NDArray[np.float32],
        shares_VD: NDArray[np.float32],
        items_VD: NDArray[np.float32],
        bias_V: NDArray[np.float32],
        *,
        normalize: bool,
    ) -> None:
        self.own_UD, self.shares_VD, self.items_VD = own_UD, shares_VD, items_VD
        self.bias_V, self.normalize = bias_V, normalize

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """Scores [R, V]; the bias alone for one who was not trained on and took nothing."""
        taken_RV = taken_matrix(questions.histories, len(self.items_VD))
        counts_R = np.maximum(np.diff(taken_RV.indptr), 1).astype(np.float32)
        vectors_RD = np.asarray(sparse.diags_array(counts_R**-0.5) @ taken_RV @ self.shares_VD, np.float32)
        is_known_R = (questions.users_R >= 0) & (questions.users_R < len(self.own_UD))
        vectors_RD[is_known_R] += self.own_UD[questions.users_R[is_known_R]]
        if self.normalize:
            vectors_RD /= np.maximum(np.linalg.norm(vectors_RD, axis=1, keepdims=True), 1e-12)
        scores_RV: NDArray[np.float32] = vectors_RD @ self.items_VD.T + self.bias_V
        return scores_RV

    def of_users(self, users_N: NDArray[np.int64]) -> GraphFactors:
        """The same, which knows these users alone, in this order."""
        own_ND = self.own_UD[users_N]
        return GraphFactors(own_ND, self.shares_VD, self.items_VD, self.bias_V, normalize=self.normalize)

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the vectors below a folder of a bundle."""
        writer.write_json(f"{folder}/graph", {"normalize": self.normalize})
        arrays = {"own": self.own_UD, "shares": self.shares_VD, "items": self.items_VD, "bias": self.bias_V}
        writer.write_arrays(f"{folder}/factors", arrays)

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read the vectors, memory-mapped."""
        arrays = bundle.read_arrays(f"{folder}/factors")
        normalize = bundle.read_json(f"{folder}/graph")["normalize"]
        return cls(arrays["own"], arrays["shares"], arrays["items"], arrays["bias"], normalize=normalize)
