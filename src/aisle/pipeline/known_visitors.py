"""Which users a fit knows, by hashes of their ids: who asks is found again, and no id is kept.

Legend of shapes: N users.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Self

import numpy as np
from numpy.typing import NDArray

from aisle.data.questions import NOBODY

_HASH_BYTES = 8


class KnownVisitors:
    """Users by the hashes of their ids; the place of a hash is the user's row.

    Two of N users share a hash by chance once in 2^65 / N^2 fits.

    Args:
        hashes_N: Ascending, uint64.
    """

    def __init__(self, hashes_N: NDArray[np.uint64]) -> None:
        self.hashes_N = hashes_N

    @classmethod
    def of_ids(cls, user_ids: Sequence[str]) -> tuple[Self, NDArray[np.int64]]:
        """The users of ids, and which of the ids each row [N] is: the order goes by hash."""
        hashes_N = np.fromiter((_hash(user_id) for user_id in user_ids), np.uint64, len(user_ids))
        order_N = np.argsort(hashes_N, kind="stable").astype(np.int64)
        return cls(hashes_N[order_N]), order_N

    def row(self, user_id: str | None) -> int:
        """The user's row; :data:`aisle.data.questions.NOBODY` for others."""
        if user_id is None:
            return NOBODY
        wanted = np.uint64(_hash(user_id))
        at = int(np.searchsorted(self.hashes_N, wanted))
        return at if at < len(self.hashes_N) and self.hashes_N[at] == wanted else NOBODY


def _hash(user_id: str) -> int:
    digest = blake2b(user_id.encode(), digest_size=_HASH_BYTES, person=b"aisle visitor").digest()
    return int.from_bytes(digest, "little")
