"""The hash of hashed tables: ids that stand for themselves, and a mixed one for all others.

The same integers as :func:`aisle.pipeline.tables.hashed.hashed_rows`, on any device and in any version: bundles and
checkpoints rest on it.
"""

from __future__ import annotations

from torch import Tensor

from aisle.nn.tables.kinds import NUM_SPECIAL
from aisle.pipeline.tables.hashed import FIRST_FACTOR, SECOND_FACTOR


def hashed_rows(ids: Tensor, num_buckets: Tensor | int) -> Tensor:
    """The rows, int64 of the same shape: 0 and 1 as they are, others ``2 + hash(id) % num_buckets``.

    Args:
        ids: Integers >= 0.
        num_buckets: Of all ids, or one per column.
    """
    mixed = ids.long() * _signed(FIRST_FACTOR)  # products of int64 wrap around, as those of uint64 do
    mixed ^= (mixed >> 32) & 0xFFFF_FFFF
    mixed *= _signed(SECOND_FACTOR)
    mixed >>= 33
    mixed &= 0x7FFF_FFFF
    mixed %= num_buckets
    mixed += NUM_SPECIAL
    return mixed.where(ids >= NUM_SPECIAL, ids)


def _signed(factor: int) -> int:
    return factor - 2**64
