"""Rows for a ranker, and the batches of an epoch: shuffled by seed, gathered at once, from memory or from mapped files.

Rows of one candidate list may be kept together, for losses that look at whole lists.

Legend of shapes: R rows, B rows of a batch, L lists, N dense features, S single-valued sparse features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.pipeline.embedding_lookup import UNKNOWN_ROW

_FINGERPRINT_BLOCKS = 64
_FINGERPRINT_ROWS = 1024


@dataclass(frozen=True)
class RankerRows:
    """What a ranker is trained or measured on; arrays may be memory-mapped.

    Attributes:
        dense_RN: float32.
        sparse_RS: int64 ids.
        label_R: float32, 0 or 1.
        weight_R: float32, not negative; their sum is positive.
        list_R: int64 numbers of candidate lists, rising; missing: every row is a list of its own.
    """

    dense_RN: NDArray[np.float32]
    sparse_RS: NDArray[np.int64]
    label_R: NDArray[np.float32]
    weight_R: NDArray[np.float32]
    list_R: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        lengths = {len(array) for array in self._arrays()}
        if len(lengths) != 1 or 0 in lengths or self.dense_RN.ndim != 2 or self.sparse_RS.ndim != 2:
            shapes = [array.shape for array in self._arrays()]
            raise ValueError(f"expected dense [R, N], sparse [R, S], label [R] and weight [R], received {shapes}")
        dtypes = (np.float32, np.int64, np.float32, np.float32, np.int64)
        for array, dtype in zip(self._arrays(), dtypes, strict=False):
            if array.dtype != dtype:
                raise ValueError(f"expected {np.dtype(dtype)}, received {array.dtype}; convert the arrays")

    def __len__(self) -> int:
        return len(self.label_R)

    def fingerprint(self) -> str:
        """A hash of the shapes and of up to 64 blocks of rows, spread evenly: quick however long the files are."""
        digest = hashlib.sha256()
        starts = np.unique(np.linspace(0, max(len(self) - _FINGERPRINT_ROWS, 0), _FINGERPRINT_BLOCKS).astype(np.int64))
        for array in self._arrays():
            digest.update(repr(array.shape).encode())
            for start in starts:
                digest.update(np.ascontiguousarray(array[start : start + _FINGERPRINT_ROWS]).tobytes())
        return digest.hexdigest()

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        lists = () if self.list_R is None else (self.list_R,)
        return self.dense_RN, self.sparse_RS, self.label_R, self.weight_R, *lists


@dataclass(frozen=True)
class Batch:
    """Rows as tensors."""

    dense_BN: Tensor
    sparse_BS: Tensor
    label_B: Tensor
    weight_B: Tensor
    list_B: Tensor  # from 0


class Batches:
    """The batches of every epoch. A batch depends on the seed, its epoch and its number alone, so any can be the first.

    Args:
        rows: What is read.
        batch_size: B; the last batch of an epoch may be smaller. Of whole lists a batch has about as many rows.
        seed: Orders the rows, or lists, anew in each epoch.
        unknown_rate: The share of ids that become the unknown one (row 1), so that its vector means something.
        unknown_columns: In which columns of ``sparse_RS``.
    """

    def __init__(
        self,
        rows: RankerRows,
        *,
        batch_size: int,
        seed: int,
        unknown_rate: float = 0.0,
        unknown_columns: Sequence[int] = (),
    ) -> None:
        if batch_size < 1 or not 0 <= unknown_rate < 1:
            raise ValueError(
                f"expected batch_size >= 1 and unknown_rate in [0, 1), received {batch_size} and {unknown_rate}"
            )
        self.rows = rows
        self.batch_size = batch_size
        # Where each list starts, and the end.
        self._bounds: NDArray[np.int64] | None = None
        self.num_batches = -(-len(rows) // batch_size)
        if rows.list_R is not None:
            self._bounds = np.append(np.unique(rows.list_R, return_index=True)[1], len(rows))
            self.num_batches = max(1, len(rows) // max(batch_size, int(np.diff(self._bounds).max())))
        self._seed = seed
        self._unknown_rate = unknown_rate
        self._unknown_columns = list(unknown_columns)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The shuffled batches of an epoch, from number ``first`` on."""
        choose = self._rows_of(np.random.default_rng([self._seed, epoch]))
        for number in range(first, self.num_batches):
            # Rows in rising order are kinder to the disk and the caches; within a batch the order means nothing.
            chosen_B = np.sort(choose(number))
            sparse_BS = self.rows.sparse_RS[chosen_B]
            if self._unknown_rate > 0 and self._unknown_columns:
                draw = np.random.default_rng([self._seed, epoch, number, 1])
                part = sparse_BS[:, self._unknown_columns]
                part[draw.random(part.shape) < self._unknown_rate] = UNKNOWN_ROW
                sparse_BS[:, self._unknown_columns] = part
            yield Batch(
                torch.from_numpy(self.rows.dense_RN[chosen_B]),
                torch.from_numpy(sparse_BS),
                torch.from_numpy(self.rows.label_R[chosen_B]),
                torch.from_numpy(self.rows.weight_R[chosen_B]),
                _lists(self.rows, chosen_B),
            )

    def _rows_of(self, draw: np.random.Generator) -> Callable[[int], NDArray[np.int64]]:
        """Which rows each batch of an epoch has."""
        size, bounds = self.batch_size, self._bounds
        if bounds is None:
            order_R = draw.permutation(len(self.rows))
            return lambda number: order_R[number * size : (number + 1) * size]
        order_L = draw.permutation(len(bounds) - 1)
        starts_L = np.cumsum(np.diff(bounds)[order_L]) - np.diff(bounds)[order_L]
        # No list is longer than a batch, so each of these equal stretches of rows has the start of one.
        batch_L = starts_L * self.num_batches // len(self.rows)

        def rows(number: int) -> NDArray[np.int64]:
            chosen = order_L[batch_L == number]
            return np.concatenate([np.arange(bounds[one], bounds[one + 1]) for one in chosen])

        return rows


def _lists(rows: RankerRows, chosen_B: NDArray[np.int64]) -> Tensor:
    if rows.list_R is None:
        return torch.arange(len(chosen_B))
    return torch.from_numpy(np.unique(rows.list_R[chosen_B], return_inverse=True)[1].astype(np.int64))


def in_order(rows: RankerRows, batch_size: int) -> Iterator[Batch]:
    """All rows as they stand, to measure on."""
    for start in range(0, len(rows), batch_size):
        part = slice(start, start + batch_size)
        # Copies: a mapped file is read-only, and torch warns of arrays that it might write.
        yield Batch(
            torch.from_numpy(np.array(rows.dense_RN[part])),
            torch.from_numpy(np.array(rows.sparse_RS[part])),
            torch.from_numpy(np.array(rows.label_R[part])),
            torch.from_numpy(np.array(rows.weight_R[part])),
            _lists(rows, np.arange(start, min(start + batch_size, len(rows)))),
        )
