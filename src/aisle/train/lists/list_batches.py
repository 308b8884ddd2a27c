"""Which lists make a batch.

Legend of shapes: R lists, B lists of a batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Batches whose lists are sorted by length together, so that a batch holds lists of similar lengths.
_SORTED_BATCHES = 8


def similar_lengths(
    sizes_R: NDArray[np.int64], batch_size: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """The rows of lists in batches of similar lengths, in an order of chance."""
    order = generator.permutation(len(sizes_R))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), batch_size * _SORTED_BATCHES):
        rows = order[start : start + batch_size * _SORTED_BATCHES]
        rows = rows[np.argsort(sizes_R[rows], kind="stable")]
        batches += np.split(rows, range(batch_size, len(rows), batch_size))
    return [batches[number] for number in generator.permutation(len(batches))]
