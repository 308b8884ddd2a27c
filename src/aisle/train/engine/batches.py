"""Rows for a ranker, and the batches of an epoch: shuffled by seed, gathered at once, from memory or from mapped files.

Rows of one candidate list may be kept together, for losses that look at whole lists. Of files larger than memory a
window is shuffled at a time.

Legend of shapes: R rows, B rows of a batch, L lists, N dense features, S single-valued sparse features, K labels of a
model of several.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.pipeline.embedding_lookup import UNKNOWN_ROW

_FINGERPRINT_BLOCKS = 64
_FINGERPRINT_ROWS = 1024
#: More rows than so many are shuffled in two steps: blocks of neighbouring rows, then the rows of a window of blocks.
WINDOW_ROWS = 1 << 21
_BLOCK_ROWS = 1 << 12


@dataclass(frozen=True)
class RankerRows:
    """What a ranker is trained or measured on; arrays may be memory-mapped.

    Attributes:
        dense_RN: float32.
        sparse_RS: int64 or int32 ids.
        label_R: float32, 0 or 1; to learn from, also a probability between; of several labels [R, K].
        weight_R: float32, not negative; their sum is positive; of several labels [R, K], 0 where a label is missing.
        list_R: int64 numbers of candidate lists, rising; missing: every row is a list of its own.
    """

    dense_RN: NDArray[np.float32]
    sparse_RS: NDArray[np.int64] | NDArray[np.int32]
    label_R: NDArray[np.float32]
    weight_R: NDArray[np.float32]
    list_R: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        lengths = {len(array) for array in self._arrays()}
        is_flat = self.dense_RN.ndim != 2 or self.sparse_RS.ndim != 2 or self.label_R.shape != self.weight_R.shape
        if len(lengths) != 1 or 0 in lengths or is_flat or self.label_R.ndim > 2:
            shapes = [array.shape for array in self._arrays()]
            raise ValueError(
                f"expected dense [R, N], sparse [R, S], label [R] and weight [R] (or both [R, K]), received {shapes}"
            )
        kinds = ("float32", "int64 or int32", "float32", "float32", "int64")
        for array, kind in zip(self._arrays(), kinds, strict=False):
            if array.dtype.name not in kind.split(" or "):
                raise ValueError(f"expected {kind}, received {array.dtype}; convert the arrays")

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

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        if device.type == "cpu":
            return self
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))


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
        bounds = self._bounds
        if bounds is None:
            order = _Order(len(self.rows), draw)
            return lambda number: order.rows(number * self.batch_size, (number + 1) * self.batch_size)
        order_L = draw.permutation(len(bounds) - 1)
        starts_L = np.cumsum(np.diff(bounds)[order_L]) - np.diff(bounds)[order_L]
        # No list is longer than a batch, so each of these equal stretches of rows has the start of one.
        batch_L = starts_L * self.num_batches // len(self.rows)

        def rows(number: int) -> NDArray[np.int64]:
            chosen = order_L[batch_L == number]
            return np.concatenate([np.arange(bounds[one], bounds[one + 1]) for one in chosen])

        return rows


class _Order:
    """The order of an epoch's rows: any, or for many rows one that reads files block by block.

    A file that is larger than memory is read from one window after the other, and only a window's order is held.
    """

    def __init__(self, num_rows: int, draw: np.random.Generator) -> None:
        self._num_rows = num_rows
        self._blocks: NDArray[np.int64] | None = None
        self._window: tuple[int, NDArray[np.int64]]
        if num_rows <= WINDOW_ROWS:
            self._window = (0, draw.permutation(num_rows))
            return
        # The last block may be shorter: it stays last, so that every window but the last has as many rows.
        num_full = num_rows // _BLOCK_ROWS
        self._blocks = np.append(draw.permutation(num_full), np.arange(num_full, -(-num_rows // _BLOCK_ROWS)))
        self._seed = int(draw.integers(2**63))
        self._window = (0, self._window_rows(0))

    def rows(self, start: int, stop: int) -> NDArray[np.int64]:
        """The rows at these places of the order."""
        stop = min(stop, self._num_rows)
        if self._blocks is None:
            return self._window[1][start:stop]
        parts = []
        while start < stop:
            number, at = divmod(start, WINDOW_ROWS)
            if number != self._window[0]:
                self._window = (number, self._window_rows(number))
            parts.append(self._window[1][at : at + stop - start])
            start += len(parts[-1])
        return np.concatenate(parts)

    def _window_rows(self, number: int) -> NDArray[np.int64]:
        assert self._blocks is not None, "there are windows only of blocks"
        per_window = WINDOW_ROWS // _BLOCK_ROWS
        blocks = self._blocks[number * per_window : (number + 1) * per_window]
        rows = (blocks[:, None] * _BLOCK_ROWS + np.arange(_BLOCK_ROWS)).ravel()
        rows = rows[rows < self._num_rows]
        np.random.default_rng([self._seed, number]).shuffle(rows)
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
