"""Neural network matrix factorization: a network reads a user, an item and the product of two more vectors of them.

Reference: Dziugaite and Roy, "Neural Network Matrix Factorization", 2015 (arXiv:1511.06443).
Deviations from the paper: it predicts ratings under a squared loss, alternating between network and vectors; here the
network tells what was taken from what was not, and all is learned at once.

Legend of shapes: U users, V items, D dimension, P products, H hidden values, B positives, C items of an example.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.models.collaborative.mlp import dense_layers
from aisle.nn.mlp import linear
from aisle.retrieval.networks import PairNetwork

#: Standard deviation of the first values of tables. Sigmoids pass small values on as a constant, so they are not small.
_FIRST_SCALE = 0.3


class NNMF(nn.Module):
    """The log odds that a user takes an item: sigmoid layers over [user, item, user' x item'].

    Args:
        num_users: U.
        num_items: V.
        dimension: D, of the vectors that enter as they are.
        num_products: P, of those that are multiplied.
        hidden: Outputs of the layers.
        generator: Draws the first values.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        *,
        dimension: int,
        num_products: int,
        hidden: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()

        def table(num_rows: int, width: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(num_rows, width, generator=generator) * _FIRST_SCALE)

        self.dimension = dimension
        self.users_UD, self.items_VD = table(num_users, dimension), table(num_items, dimension)
        self.users_UP, self.items_VP = table(num_users, num_products), table(num_items, num_products)
        sizes = [2 * dimension + num_products, *hidden, 1]
        self.layers = nn.ModuleList(linear(inputs, outputs, generator=generator) for inputs, outputs in pairwise(sizes))

    def forward(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """The logits [B, C]."""
        of_users_UH, of_items_VH, of_products_HP = self._first()
        users_BP, items_BCP = (
            functional.embedding(users_B, self.users_UP),
            functional.embedding(items_BC, self.items_VP),
        )
        values_BCH = functional.linear(users_BP[:, None] * items_BCP, of_products_HP)
        values_BCH = values_BCH + functional.embedding(items_BC, of_items_VH)
        values_BCH = values_BCH + functional.embedding(users_B, of_users_UH)[:, None]
        for layer in list(self.layers)[1:]:
            values_BCH = layer(torch.sigmoid(values_BCH))
        return values_BCH.squeeze(2)

    def _first(self) -> tuple[Tensor, Tensor, Tensor]:
        """The shares of users and items in the first layer, and its weights of the products."""
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        of_user_HD, of_item_HD, of_products_HP = torch.split(
            first.weight, [self.dimension, self.dimension, self.users_UP.shape[1]], dim=1
        )
        users_UH = functional.linear(self.users_UD, of_user_HD, first.bias)
        return users_UH, functional.linear(self.items_VD, of_item_HD), of_products_HP

    def recommender(self) -> PairNetwork:
        """What serves it."""
        of_users_UH, of_items_VH, of_products_HP = self._first()
        tables = {
            "users_UH": of_users_UH,
            "items_VH": of_items_VH,
            "users_UP": self.users_UP,
            "items_VP": self.items_VP,
            "product_weights_P": torch.zeros(self.users_UP.shape[1]),
            "products_to_hidden_PH": of_products_HP.T,
        }
        arrays = {name: table.detach().numpy() for name, table in tables.items()}
        return PairNetwork(arrays, dense_layers(list(self.layers)[1:]), activation="sigmoid")
