"""The full table in serving: one row per id.

Legend of shapes: R rows, D embedding dimension, ``...`` any shape of ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FullLookup:
    """One vector per id, as :class:`aisle.nn.tables.FullTable` trains them."""

    kind: ClassVar[str] = "full"
    weights_RD: NDArray[np.float32]

    @property
    def num_embeddings(self) -> int:
        """R."""
        return int(self.weights_RD.shape[0])

    @property
    def embedding_dim(self) -> int:
        """D."""
        return int(self.weights_RD.shape[1])

    def lookup(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors [..., D] of ids in ``[0, R)``."""
        return self.weights_RD.take(ids, axis=0)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps: ``weights`` [R, D]."""
        return {"weights": self.weights_RD}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The table that :meth:`arrays` described."""
        return cls(arrays["weights"])
