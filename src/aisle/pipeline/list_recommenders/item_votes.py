"""The recommender of most models of transitions: the items of a history vote for others, the later the louder.

Legend of shapes: R questions, V items, A items with votes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import Questions
from aisle.pipeline.list_recommenders.weighted_histories import weighted_histories
from aisle.recipe.list_models.histories import HistorySpec

#: All that the prior adds to a question stays below this share of the question's greatest score.
PRIOR_SHARE = 1e-3


class ItemVotes:
    """scores = weighted history x votes, and a prior that orders what has no vote.

    Args:
        votes_AA: Row i holds what item i of a history says for others; sparse or dense, float32.
        prior_V: Not negative; scaled to at most :data:`PRIOR_SHARE` of a question's greatest score (of 1 without any).
        history: How much the items of a history count.
        item_rows_A: The items that ``votes_AA`` speaks of; missing: all. Others neither vote nor are voted for.
    """

    def __init__(
        self,
        votes_AA: sparse.csr_matrix | NDArray[np.float32],
        prior_V: NDArray[np.float32],
        history: HistorySpec,
        *,
        item_rows_A: NDArray[np.int64] | None = None,
    ) -> None:
        num_voting = len(prior_V) if item_rows_A is None else len(item_rows_A)
        if votes_AA.shape != (num_voting, num_voting):
            raise ValueError(f"expected votes between {num_voting} items, received the shape {votes_AA.shape}")
        self.votes_AA = votes_AA
        self.prior_V = prior_V
        self.history = history
        self.item_rows_A = item_rows_A
        self._small_prior_V = prior_V * np.float32(PRIOR_SHARE / max(float(prior_V.max(initial=0)), 1e-30))

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """Scores [R, V]; who asks does not matter, only what was taken."""
        history_RV = weighted_histories(questions.histories, self.history, len(self.prior_V))
        if self.item_rows_A is None:
            scores_RV = _product(history_RV, self.votes_AA)
        else:
            scores_RV = np.zeros(history_RV.shape, np.float32)
            scores_RV[:, self.item_rows_A] = _product(history_RV[:, self.item_rows_A], self.votes_AA)
        greatest_R1 = scores_RV.max(axis=1, keepdims=True, initial=0)
        scores_RV += np.where(greatest_R1 > 0, greatest_R1, 1) * self._small_prior_V
        return scores_RV

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the votes below a folder of a bundle."""
        arrays: dict[str, NDArray[Any]] = {"prior": self.prior_V}
        if isinstance(self.votes_AA, np.ndarray):
            arrays["votes"] = self.votes_AA
        else:
            arrays["offsets"] = self.votes_AA.indptr.astype(np.int64)
            arrays["neighbours"] = self.votes_AA.indices.astype(np.int32)
            arrays["weights"] = self.votes_AA.data.astype(np.float32)
        if self.item_rows_A is not None:
            arrays["item_rows"] = self.item_rows_A
        writer.write_arrays(folder, arrays)
        writer.write_json(f"{folder}/history", self.history.model_dump())

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read the votes; large ones are memory-mapped."""
        arrays = bundle.read_arrays(folder)
        history = HistorySpec.model_validate(bundle.read_json(f"{folder}/history"))
        return cls(_votes(arrays), arrays["prior"], history, item_rows_A=arrays.get("item_rows"))


def _votes(arrays: Mapping[str, NDArray[Any]]) -> sparse.csr_matrix | NDArray[np.float32]:
    if "votes" in arrays:
        return arrays["votes"]
    num_voting = len(arrays["offsets"]) - 1
    parts = (arrays["weights"], arrays["neighbours"], arrays["offsets"])
    return sparse.csr_matrix(parts, shape=(num_voting, num_voting))


def _product(history_RA: sparse.csr_matrix, votes_AA: sparse.csr_matrix | NDArray[np.float32]) -> NDArray[np.float32]:
    product_RA = history_RA @ votes_AA
    return np.asarray(product_RA.toarray() if sparse.issparse(product_RA) else product_RA, np.float32)
