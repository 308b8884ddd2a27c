"""Negatives that cost no draw: what other sequences of a batch seek.

They are distinct items, and follow how often items occur; :func:`log_inclusion` tells how probable each one was, which
the logQ correction undoes. Losses against them: :mod:`aisle.nn.item_losses`.

Source: Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations", RecSys 2019.

Legend of shapes: B sequences, N positions, S distinct targets of the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST_PROBABILITY = 1e-12


def in_batch_negatives(targets_N: Tensor, sequence_N: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct targets [S] of a batch, in ascending order, and which of them are negatives of each position [N, S].

    They are those that another sequence seeks, but for the position's own target (an accidental hit). What its own
    sequence seeks at other positions is a negative only where another sequence seeks it too.

    Args:
        targets_N: The item row that is sought at each position.
        sequence_N: The sequence of each position, counted from 0.
    """
    items_S, column_N = torch.unique(targets_N, return_inverse=True)
    num_sequences = int(sequence_N.max()) + 1 if len(sequence_N) else 0
    is_sought_BS = torch.zeros(num_sequences, len(items_S), dtype=torch.bool, device=targets_N.device)
    is_sought_BS[sequence_N, column_N] = True
    by_others_BS = is_sought_BS.sum(0) > is_sought_BS.long()
    return items_S, by_others_BS[sequence_N] & (items_S != targets_N[:, None])


def log_inclusion(shares_S: Tensor, num_draws: float) -> Tensor:
    """The log of the probability that one of some draws brings an item.

    Args:
        shares_S: The probability that a draw brings it, of each item.
        num_draws: For negatives of a batch: at how many positions other sequences seek something.
    """
    return (-torch.expm1(num_draws * torch.log1p(-shares_S))).clamp(min=_LEAST_PROBABILITY).log()
