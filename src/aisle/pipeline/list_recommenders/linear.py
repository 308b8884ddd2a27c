"""The recommender of every model whose scores are linear in what the asker took.

Legend of shapes: R questions, V items, A items with weights, D dimensions.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.bundle import Bundle, BundleWriter
from aisle.data.questions import Questions
from aisle.pipeline.list_recommenders.interactions import taken_matrix
from aisle.pipeline.list_recommenders.sharpening import Sharpening


class LinearRecommender:
    """scores = taken x weights + (taken x encoder) x decoder, where ``taken`` is 1 for each item of a history.

    Args:
        num_items: V.
        weights_AA: Row i holds the votes of an item for others; sparse, dense, or missing.
        item_rows_A: The items that ``weights_AA`` speaks of; missing: all. Others neither vote nor are voted for.
        encoder_VD: Where each item of a history points; with ``decoder_DV`` or missing.
        decoder_DV: How much a direction speaks for each item.
        sharpening: Done to the scores at the end; missing: nothing.

    Raises:
        ValueError: only one of encoder and decoder is there, or a shape is another.
    """

    def __init__(
        self,
        num_items: int,
        *,
        weights_AA: sparse.csr_matrix | NDArray[np.float32] | None = None,
        item_rows_A: NDArray[np.int64] | None = None,
        encoder_VD: NDArray[np.float32] | None = None,
        decoder_DV: NDArray[np.float32] | None = None,
        sharpening: Sharpening | None = None,
    ) -> None:
        if (encoder_VD is None) != (decoder_DV is None):
            raise ValueError("expected an encoder with its decoder, received one of them")
        num_voting = num_items if item_rows_A is None else len(item_rows_A)
        if weights_AA is not None and weights_AA.shape != (num_voting, num_voting):
            raise ValueError(f"expected weights between {num_voting} items, received the shape {weights_AA.shape}")
        if encoder_VD is not None and decoder_DV is not None and encoder_VD.shape != (num_items, len(decoder_DV)):
            raise ValueError(f"expected {num_items} x {len(decoder_DV)} encodings, received {encoder_VD.shape}")
        self.num_items = num_items
        self.weights_AA = weights_AA
        self.item_rows_A = item_rows_A
        self.encoder_VD = encoder_VD
        self.decoder_DV = decoder_DV
        self.sharpening = sharpening

    def score(self, questions: Questions) -> NDArray[np.float32]:
        """Scores [R, V]; who asks does not matter, only what was taken."""
        taken_RV = taken_matrix(questions.histories, self.num_items)
        if self.weights_AA is None:
            scores_RV = np.zeros(taken_RV.shape, np.float32)
        elif self.item_rows_A is None:
            scores_RV = _product(taken_RV, self.weights_AA)
        else:
            scores_RV = np.zeros(taken_RV.shape, np.float32)
            scores_RV[:, self.item_rows_A] = _product(taken_RV[:, self.item_rows_A], self.weights_AA)
        if self.encoder_VD is not None and self.decoder_DV is not None:
            scores_RV += (taken_RV @ self.encoder_VD) @ self.decoder_DV
        return scores_RV if self.sharpening is None else self.sharpening.sharpen(scores_RV)

    def save(self, writer: BundleWriter, folder: str) -> None:
        """Write the arrays below a folder of a bundle."""
        arrays: dict[str, NDArray[Any]] = {"num_items": np.array(self.num_items)}
        if isinstance(self.weights_AA, np.ndarray):
            arrays["weights"] = self.weights_AA
        elif self.weights_AA is not None:
            arrays["offsets"] = self.weights_AA.indptr.astype(np.int64)
            arrays["neighbours"] = self.weights_AA.indices.astype(np.int32)
            arrays["votes"] = self.weights_AA.data
        if self.item_rows_A is not None:
            arrays["item_rows"] = self.item_rows_A
        if self.encoder_VD is not None and self.decoder_DV is not None:
            arrays |= {"encoder": self.encoder_VD, "decoder": self.decoder_DV}
        if self.sharpening is not None:
            arrays |= self.sharpening.arrays()
        writer.write_arrays(folder, arrays)

    @classmethod
    def load(cls, bundle: Bundle, folder: str) -> Self:
        """Read the arrays; large ones are memory-mapped."""
        arrays = bundle.read_arrays(folder)
        num_items = int(arrays["num_items"])
        item_rows_A = arrays.get("item_rows")
        weights_AA: sparse.csr_matrix | NDArray[np.float32] | None = arrays.get("weights")
        if "votes" in arrays:
            num_voting = num_items if item_rows_A is None else len(item_rows_A)
            parts = (arrays["votes"], arrays["neighbours"], arrays["offsets"])
            weights_AA = sparse.csr_matrix(parts, shape=(num_voting, num_voting))
        return cls(
            num_items,
            weights_AA=weights_AA,
            item_rows_A=item_rows_A,
            encoder_VD=arrays.get("encoder"),
            decoder_DV=arrays.get("decoder"),
            sharpening=Sharpening.of_arrays(arrays, num_items),
        )


def _product(taken_RA: sparse.csr_matrix, weights_AA: sparse.csr_matrix | NDArray[np.float32]) -> NDArray[np.float32]:
    product_RA = taken_RA @ weights_AA
    return np.asarray(product_RA.toarray() if sparse.issparse(product_RA) else product_RA, np.float32)
