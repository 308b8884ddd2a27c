"""The MLP of neural collaborative filtering: a user's and an item's vector side by side, read by a tower.

Reference: He et al., "Neural Collaborative Filtering", WWW 2017 (section 3.3).
Deviations from the paper: the first layer, which is linear in both vectors, is computed once for each item and each
user of the batch, and not for each pair; the result is the same. Long vectors may cost something (Rendle et al., RecSys
2020).

Legend of shapes: U users, V items, D dimension, H outputs of the first layer, B positives, C items of an example.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aisle.models.collaborative.gmf import FIRST_SCALE
from aisle.models.collaborative.vector_pairs import pair_penalty
from aisle.nn.mlp import MLP, linear
from aisle.retrieval.networks import PairNetwork


class PairMLP(nn.Module):
    """The log odds that a user takes an item, by a tower over both vectors.

    Args:
        num_users: U.
        num_items: V.
        dimension: D, of each vector.
        hidden: Outputs of the layers; the last one's number is what the paper calls predictive factors.
        generator: Draws the first values.
    """

    def __init__(
        self, num_users: int, num_items: int, *, dimension: int, hidden: Sequence[int], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.users_UD = nn.Parameter(torch.randn(num_users, dimension, generator=generator) * FIRST_SCALE)
        self.items_VD = nn.Parameter(torch.randn(num_items, dimension, generator=generator) * FIRST_SCALE)
        self.first = linear(2 * dimension, hidden[0], generator=generator)
        self.tower = MLP(hidden[0], [*hidden[1:], 1], last_activation=False, generator=generator)

    def forward(self, users_B: Tensor, items_BC: Tensor, added_BH: Tensor | None = None) -> Tensor:
        """The logits [B, C]; what is added joins the first layer before its activation."""
        of_user_HD, of_item_HD = self.first.weight.chunk(2, dim=1)
        users_BH = functional.linear(functional.embedding(users_B, self.users_UD), of_user_HD, self.first.bias)
        if added_BH is not None:
            users_BH = users_BH + added_BH
        items_VH = functional.linear(self.items_VD, of_item_HD)
        hidden_BCH = functional.relu(users_BH[:, None] + functional.embedding(items_BC, items_VH))
        logits_BC1: Tensor = self.tower(hidden_BCH)
        return logits_BC1.squeeze(2)

    def penalty(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """What long vectors cost, see :func:`pair_penalty`."""
        return pair_penalty(self.users_UD, self.items_VD, users_B, items_BC, self.users_UD.new_ones(()))

    def recommender(self) -> PairNetwork:
        """What serves it."""
        of_user_HD, of_item_HD = self.first.weight.chunk(2, dim=1)
        tables = {
            "users_UH": functional.linear(self.users_UD, of_user_HD, self.first.bias),
            "items_VH": functional.linear(self.items_VD, of_item_HD),
            "users_UP": torch.zeros(len(self.users_UD), 0),
            "items_VP": torch.zeros(len(self.items_VD), 0),
            "product_weights_P": torch.zeros(0),
            "products_to_hidden_PH": torch.zeros(0, self.first.out_features),
        }
        return PairNetwork(
            {name: table.detach().numpy() for name, table in tables.items()}, dense_layers(self.tower.layers)
        )


def dense_layers(layers: Iterable[nn.Module]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """The weights (inputs, outputs) and biases of the linear layers among others, as arrays."""
    dense = [layer for layer in layers if isinstance(layer, nn.Linear)]
    return [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in dense]
