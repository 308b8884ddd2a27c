"""Sharpening of scores: what a graph filter made alike is drawn apart again.

Source: Choi et al., "Blurring-sharpening process models for collaborative filtering", SIGIR 2023. Scores s follow
ds/dt = -s N'N for a time, with N the normalized matrix of who took what: one step of fourth order, as the paper takes.

Legend of shapes: R questions, U users, V items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_ORDER = 4


class Sharpening:
    """s (1 - tP + (tP)^2 / 2 - (tP)^3 / 6 + (tP)^4 / 24) with P = N'N, which is s exp(-tP) to the fourth order.

    P is never made: a question costs eight passes over the interactions that were trained on.

    Args:
        normalized_UV: N, each interaction over the roots of how many its user and its item have.
        time: t, not negative.
    """

    def __init__(self, normalized_UV: sparse.csr_matrix, time: float) -> None:
        self.normalized_UV = normalized_UV
        self.time = time
        self._normalized_VU = normalized_UV.T.tocsr()

    def sharpen(self, scores_RV: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scores after the time."""
        term_VR = np.ascontiguousarray(scores_RV.T)
        total_VR = term_VR.copy()
        for order in range(1, _ORDER + 1):
            term_VR = self._normalized_VU @ (self.normalized_UV @ term_VR)
            term_VR *= np.float32(-self.time / order)
            total_VR += term_VR
        return np.ascontiguousarray(total_VR.T)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle holds of it."""
        return {
            "sharpening_time": np.array(self.time),
            "sharpening_offsets": self.normalized_UV.indptr.astype(np.int64),
            "sharpening_items": self.normalized_UV.indices.astype(np.int32),
            "sharpening_values": self.normalized_UV.data,
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], num_items: int) -> Self | None:
        """What was written, if it was."""
        if "sharpening_time" not in arrays:
            return None
        offsets = arrays["sharpening_offsets"]
        parts = (arrays["sharpening_values"], arrays["sharpening_items"], offsets)
        normalized_UV = sparse.csr_matrix(parts, shape=(len(offsets) - 1, num_items))
        return cls(normalized_UV, float(arrays["sharpening_time"]))
