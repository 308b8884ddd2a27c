"""Scores of pairs for models that make one vector of every user and every item.

Legend of shapes: U users, V items, D dimension, B positives, C items of an example.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def pair_scores(users_UD: Tensor, items_VD: Tensor, users_B: Tensor, items_BC: Tensor) -> Tensor:
    """The inner products [B, C] of each user of a batch with the items beside it."""
    users_BD = functional.embedding(users_B, users_UD)
    items_BCD = functional.embedding(items_BC, items_VD)
    return (users_BD[:, None] * items_BCD).sum(dim=2)
