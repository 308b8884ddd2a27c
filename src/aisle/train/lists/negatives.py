"""Where a batch of sequences has its negatives from: drawn by how often items occur, or what its sequences seek.

Legend of shapes: B sequences of a batch, N positions that have a target, V items, S negatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.nn.in_batch_negatives import in_batch_negatives, log_inclusion

_LEAST_EXPECTED = 1e-12


@dataclass(frozen=True)
class Negatives:
    """Item rows [S]; the log of how often each is expected [S], where it is corrected for; which count [N, S]."""

    items_S: Tensor
    log_expected_S: Tensor | None = None
    is_negative_NS: Tensor | None = None


class DrawnNegatives:
    """Drawn for a batch, shared by all its positions.

    Args:
        counts_V: How often items occur.
        number: Of draws; 0: none.
        popularity_power: They are drawn in proportion to this power of the counts; 0: uniformly.
        log_q: Whether the loss is told how often each item is expected.
        is_distinct: Whether an item that is drawn twice counts once.
    """

    def __init__(
        self, counts_V: NDArray[np.int64], number: int, *, popularity_power: float, log_q: bool, is_distinct: bool
    ) -> None:
        weights_V = counts_V.astype(np.float64) ** popularity_power if popularity_power else np.ones(len(counts_V))
        self._number = number
        self._is_uniform = popularity_power == 0
        self._is_distinct = is_distinct
        self._shares_V = weights_V / weights_V.sum()
        expected_V = np.maximum(self._shares_V * max(number, 1), _LEAST_EXPECTED)
        self._log_expected_V = torch.from_numpy(np.log(expected_V).astype(np.float32)) if log_q else None

    def draw(self, generator: np.random.Generator) -> Tensor | None:
        """Item rows [S]; missing where none are to be drawn."""
        if self._number == 0:
            return None
        if self._is_uniform:
            drawn_S = generator.integers(0, len(self._shares_V), self._number)
        else:
            drawn_S = generator.choice(len(self._shares_V), self._number, p=self._shares_V)
        return torch.from_numpy(np.unique(drawn_S) if self._is_distinct else drawn_S)

    def of(self, drawn_S: Tensor) -> Negatives:
        """What the loss is told of drawn rows."""
        return Negatives(drawn_S, None if self._log_expected_V is None else self._log_expected_V[drawn_S])


class InBatchNegatives:
    """What the other sequences of a batch seek; see :mod:`aisle.nn.in_batch_negatives`.

    Args:
        counts_V: How often items occur.
        log_q: Whether the loss is told how probable it was that the batch holds each item.
    """

    def __init__(self, counts_V: NDArray[np.int64], *, log_q: bool) -> None:
        shares_V = counts_V / max(int(counts_V.sum()), 1)
        self._shares_V = torch.from_numpy(shares_V.astype(np.float32)) if log_q else None

    def of(self, targets_N: Tensor, sequence_N: Tensor, num_sequences: int) -> Negatives:
        """Those of positions with these targets, each of one of so many sequences."""
        items_S, is_negative_NS = in_batch_negatives(targets_N, sequence_N)
        if self._shares_V is None:
            return Negatives(items_S, None, is_negative_NS)
        num_others = len(targets_N) * (1 - 1 / num_sequences)
        return Negatives(items_S, log_inclusion(self._shares_V[items_S], num_others), is_negative_NS)
