"""Generalized matrix factorization: a weighted inner product of a user and an item.

Reference: He et al., "Neural Collaborative Filtering", WWW 2017 (section 3.2).
Deviations from the paper: long vectors may cost something (Rendle et al., "Neural collaborative filtering vs. matrix
factorization revisited", RecSys 2020).

Legend of shapes: U users, V items, D dimension, B positives, C items of an example.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.models.collaborative.vector_pairs import pair_penalty
from aisle.retrieval.collaborative import UserFactors

#: Standard deviation of the first values of tables, as in the authors' code.
FIRST_SCALE = 0.01


class GMF(nn.Module):
    """The log odds that a user takes an item: the product of their vectors, weighted.

    Args:
        num_users: U.
        num_items: V.
        dimension: D.
        generator: Draws the first values.
    """

    def __init__(self, num_users: int, num_items: int, *, dimension: int, generator: torch.Generator) -> None:
        super().__init__()
        self.users_UD = nn.Parameter(torch.randn(num_users, dimension, generator=generator) * FIRST_SCALE)
        self.items_VD = nn.Parameter(torch.randn(num_items, dimension, generator=generator) * FIRST_SCALE)
        # Uniform with variance 1 / D, as the authors' layer has it.
        self.weight_D = nn.Parameter((torch.rand(dimension, generator=generator) * 2 - 1) * (3 / dimension) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """The logits [B, C]."""
        users_BD = functional.embedding(users_B, self.users_UD) * self.weight_D
        items_BCD = functional.embedding(items_BC, self.items_VD)
        return (users_BD[:, None] * items_BCD).sum(dim=2) + self.bias

    def penalty(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """What long vectors cost, see :func:`pair_penalty`.

        A square counts as much as its product does in the logit. Unweighed, the vectors would shrink and the weights
        grow until the penalty costs nothing, while the logits stay as they are.
        """
        return pair_penalty(self.users_UD, self.items_VD, users_B, items_BC, self.weight_D.abs())

    def recommender(self) -> UserFactors:
        """What serves it."""
        users_UD = (self.users_UD * self.weight_D).detach().numpy()
        bias_V = np.full(len(self.items_VD), self.bias.item(), np.float32)
        return UserFactors(users_UD, self.items_VD.detach().numpy().copy(), bias_V)
