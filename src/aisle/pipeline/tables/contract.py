"""What every kind of embedding table can do in serving; its training half stands in ``aisle.nn.tables``.

Legend of shapes: ``...`` any shape of ids, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray


class LookupTable(Protocol):
    """Rows of vectors that may be memory-mapped."""

    kind: ClassVar[str]

    @property
    def num_embeddings(self) -> int:
        """How many ids it tells apart."""

    @property
    def embedding_dim(self) -> int:
        """D."""

    def lookup(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors [..., D] of ids that lie in ``[0, num_embeddings)``."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The table that :meth:`arrays` described."""
