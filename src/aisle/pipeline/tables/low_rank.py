"""The low-rank table in serving: narrow rows and a projection.

Legend of shapes: R rows, W width of a row, D embedding dimension, ``...`` any shape of ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from aisle.pipeline.tables.full import FullLookup


@dataclass(frozen=True)
class LowRankLookup:
    """One row of W numbers per id, and what makes D of them."""

    kind: ClassVar[str] = "low-rank"
    weights_RW: NDArray[np.float32]
    projection_WD: NDArray[np.float32]

    @property
    def num_embeddings(self) -> int:
        """R."""
        return int(self.weights_RW.shape[0])

    @property
    def embedding_dim(self) -> int:
        """D."""
        return int(self.projection_WD.shape[1])

    def lookup(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors [..., D] of ids in ``[0, R)``."""
        return self.weights_RW.take(ids, axis=0) @ self.projection_WD

    def smallest(self) -> LowRankLookup | FullLookup:
        """Itself, or the full table of all its vectors where that is not larger.

        The full table's numbers are those that :meth:`lookup` gives, but for the order of float32 sums: they differ by
        some 1e-7 of the vector's length.
        """
        if self.weights_RW.size + self.projection_WD.size < len(self.weights_RW) * self.embedding_dim:
            return self
        return FullLookup(self.weights_RW @ self.projection_WD)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps: ``weights`` [R, W] and ``projection`` [W, D]."""
        return {"weights": self.weights_RW, "projection": self.projection_WD}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The table that :meth:`arrays` described."""
        return cls(arrays["weights"], arrays["projection"])
