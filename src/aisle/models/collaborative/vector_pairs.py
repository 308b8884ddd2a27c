"""Scores of pairs for models that make one vector of every user and every item, and what long vectors cost.

Legend of shapes: U users, V items, D dimension, B positives, C items of an example, N rows of a table.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def pair_scores(users_UD: Tensor, items_VD: Tensor, users_B: Tensor, items_BC: Tensor) -> Tensor:
    """The inner products [B, C] of each user of a batch with the items beside it."""
    users_BD = functional.embedding(users_B, users_UD)
    items_BCD = functional.embedding(items_BC, items_VD)
    return (users_BD[:, None] * items_BCD).sum(dim=2)


def pair_penalty(users_UD: Tensor, items_VD: Tensor, users_B: Tensor, items_BC: Tensor, weight_D: Tensor) -> Tensor:
    """The squared lengths of both vectors of a pair, each square weighed: the mean over the B x C pairs.

    A row counts as often as it is looked up, so that what many took is held no tighter than what few did.
    """
    return _mean_length(users_UD, users_B, weight_D) + _mean_length(items_VD, items_BC.flatten(), weight_D)


def _mean_length(table_ND: Tensor, rows: Tensor, weight_D: Tensor) -> Tensor:
    counts_N = torch.bincount(rows, minlength=len(table_ND))
    return ((table_ND.square() * weight_D).sum(dim=1) * counts_N).sum() / len(rows)
