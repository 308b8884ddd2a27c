"""The quotient-remainder table in serving: an id's vector is composed of two.

Legend of shapes: Q quotients, M modulus, V and W widths of their vectors, D embedding dimension, ``...`` any shape of
ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class QuotientRemainderLookup:
    """The two parts, and how they become one: ``mult``, ``add`` or ``concat``."""

    kind: ClassVar[str] = "quotient-remainder"
    quotients_QV: NDArray[np.float32]
    remainders_MW: NDArray[np.float32]
    combine: str
    num_embeddings: int

    @property
    def embedding_dim(self) -> int:
        """D: ``V + W`` with ``concat``, else both are D."""
        width = self.remainders_MW.shape[1]
        return int(self.quotients_QV.shape[1] + width if self.combine == "concat" else width)

    def lookup(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors [..., D] of ids in ``[0, num_embeddings)``."""
        quotients, remainders = np.divmod(ids, len(self.remainders_MW))
        first = self.quotients_QV.take(quotients, axis=0)
        second = self.remainders_MW.take(remainders, axis=0)
        if self.combine == "concat":
            return np.concatenate([first, second], axis=-1)
        return first * second if self.combine == "mult" else first + second

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps: both parts, ``num_embeddings`` [1], and ``combine`` as the bytes of its name."""
        return {
            "quotients": self.quotients_QV,
            "remainders": self.remainders_MW,
            "num_embeddings": np.array([self.num_embeddings], np.int64),
            "combine": np.frombuffer(self.combine.encode(), np.uint8),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The table that :meth:`arrays` described."""
        combine = arrays["combine"].tobytes().decode()
        return cls(arrays["quotients"], arrays["remainders"], combine, int(arrays["num_embeddings"][0]))
