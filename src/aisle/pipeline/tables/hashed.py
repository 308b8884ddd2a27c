"""The hashed table in serving: ids share rows by a stable hash.

Legend of shapes: R rows (padding, unknown, buckets), D embedding dimension, ``...`` any shape of ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

#: Odd, and with bits without order: those of SplitMix64.
FIRST_FACTOR = 0x9E37_79B9_7F4A_7C15
SECOND_FACTOR = 0xBF58_476D_1CE4_E5B9


def hashed_rows(ids: NDArray[np.int64], num_buckets: int) -> NDArray[np.int64]:
    """The rows of ids >= 0: 0 and 1 as they are, others ``2 + hash(id) % num_buckets``.

    The hash is the upper 31 bits of ``x * SECOND_FACTOR``, where x is ``id * FIRST_FACTOR`` with its upper half added
    to its lower one bit by bit; both products modulo 2^64.
    """
    with np.errstate(over="ignore"):  # NumPy warns of single numbers that wrap around
        mixed = ids.astype(np.uint64) * np.uint64(FIRST_FACTOR)
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(SECOND_FACTOR)
    mixed >>= np.uint64(33)
    mixed %= np.uint64(num_buckets)
    return np.where(ids < 2, ids, mixed.astype(np.int64) + 2)


@dataclass(frozen=True)
class HashedLookup:
    """The rows of a hashed table."""

    kind: ClassVar[str] = "hashed"
    weights_RD: NDArray[np.float32]
    num_embeddings: int

    @property
    def embedding_dim(self) -> int:
        """D."""
        return int(self.weights_RD.shape[1])

    def lookup(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors [..., D] of ids in ``[0, num_embeddings)``."""
        return self.weights_RD.take(hashed_rows(ids, len(self.weights_RD) - 2), axis=0)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps: ``weights`` [R, D] and ``num_embeddings`` [1]."""
        return {"weights": self.weights_RD, "num_embeddings": np.array([self.num_embeddings], np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The table that :meth:`arrays` described."""
        return cls(arrays["weights"], int(arrays["num_embeddings"][0]))
