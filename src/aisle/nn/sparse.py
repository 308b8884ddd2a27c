"""Sparse features of a batch: single-valued ids, and optional bags in the layout of TorchRec's KeyedJaggedTensor.

Legend of shapes: B batch, S single-valued sparse features, N ids of all bags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class KeyedJaggedTensor:
    """Bags of ids, key by key: all examples' bags of the first key, then of the second, and so on.

    Attributes:
        keys: Names of the features.
        values: int64 [N], without padding.
        offsets: int64 [len(keys) * B + 1]: where each bag starts, and at last where the last one ends.
    """

    keys: tuple[str, ...]
    values: Tensor
    offsets: Tensor

    @classmethod
    def from_lengths(cls, keys: tuple[str, ...], values: Tensor, lengths: Tensor) -> Self:
        """From how many ids each bag has [len(keys) * B]."""
        return cls(keys, values, torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))

    def key(self, name: str) -> tuple[Tensor, Tensor]:
        """The ids of one key's bags, and where each of its B bags starts among them."""
        number = self.keys.index(name)
        stride = (len(self.offsets) - 1) // len(self.keys)
        offsets = self.offsets[number * stride : (number + 1) * stride + 1]
        return self.values[offsets[0] : offsets[-1]], offsets[:-1] - offsets[0]


@dataclass(frozen=True)
class SparseFeatures:
    """What an embedding collection reads.

    Attributes:
        ids_BS: One id per example and single-valued feature, int64.
        bags: Features with several ids per example.
    """

    ids_BS: Tensor
    bags: KeyedJaggedTensor | None = None
