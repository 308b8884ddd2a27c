"""Deep matrix factorization: the cosine of two towers, one over what a user took, one over who took an item.

Reference: Xue et al., "Deep Matrix Factorization Models for Recommender Systems", IJCAI 2017.
Deviations from the paper:
    - What was taken is 1, for there are no ratings; so their normalized cross-entropy is the plain one.
    - A cosine over a temperature is the logit; the paper takes the cosine itself as the probability, cut off above 0.
    - A batch computes the vectors of all users and items once, by sparse products, and not those of each pair.

Legend of shapes: U users, V items, E entries, H outputs of the first layer, D dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from aisle.data.item_lists import ItemLists
from aisle.models.collaborative.mlp import dense_layers
from aisle.models.collaborative.vector_pairs import pair_scores
from aisle.nn.mlp import MLP
from aisle.pipeline.list_recommenders.interactions import taken_matrix
from aisle.retrieval.networks import HistoryLayer, HistoryNetwork


class SparseTower(nn.Module):
    """A tower over the rows of a matrix of zeros and ones, which is not trained; it ends in vectors of length 1.

    Args:
        matrix: [rows, columns].
        hidden: Outputs of the layers, with ReLU between them.
        generator: Draws the first weights.
    """

    def __init__(self, matrix: sparse.csr_matrix, hidden: Sequence[int], *, generator: torch.Generator) -> None:
        super().__init__()
        num_entries = max(1.0, matrix.nnz / max(1, matrix.shape[0]))
        first_CH = torch.randn(matrix.shape[1], hidden[0], generator=generator) * num_entries**-0.5
        self.first_CH = nn.Parameter(first_CH)
        self.first_bias_H = nn.Parameter(torch.zeros(hidden[0]))
        self.rest = MLP(hidden[0], hidden[1:], last_activation=False, generator=generator)
        self.columns_E: Tensor
        self.starts_R1: Tensor
        self.register_buffer("columns_E", torch.from_numpy(matrix.indices.astype(np.int64)), persistent=False)
        self.register_buffer("starts_R1", torch.from_numpy(matrix.indptr.astype(np.int64)), persistent=False)

    def forward(self) -> Tensor:
        """The vector of each row [rows, D]."""
        sums_RH = functional.embedding_bag(
            self.columns_E, self.first_CH, self.starts_R1, mode="sum", include_last_offset=True
        )
        values_RH = sums_RH + self.first_bias_H
        if len(self.rest.layers):
            values_RH = self.rest(functional.relu(values_RH))
        return functional.normalize(values_RH, dim=1)


class DMF(nn.Module):
    """Users by what they took, items by who took them.

    Args:
        lists: What each user took.
        num_items: V.
        hidden: Outputs of the layers of either tower; the last is D.
        temperature: Cosines are divided by it.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        lists: ItemLists,
        num_items: int,
        *,
        hidden: Sequence[int],
        temperature: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        taken = taken_matrix(lists, num_items)
        self.users = SparseTower(taken, hidden, generator=generator)
        self.items = SparseTower(taken.T.tocsr(), hidden, generator=generator)
        self.temperature = temperature

    def forward(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """The scores [B, C] of each user's items."""
        return pair_scores(*self.vectors(), users_B, items_BC)

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Users' vectors of length 1 [U, D], and items' over the temperature [V, D]."""
        return self.users(), self.items() / self.temperature

    def recommender(self) -> HistoryNetwork:
        """What serves it: a user is what they took, so that one who was not trained on is as good as another."""
        first = HistoryLayer(_array(self.users.first_CH), _array(self.users.first_bias_H), "relu")
        layers = [first]
        for weight_IO, bias_O in dense_layers(self.users.rest.layers):
            layers.append(HistoryLayer(weight_IO.copy(), bias_O.copy(), "relu"))
        layers[-1] = HistoryLayer(layers[-1].weight_IO, layers[-1].bias_O, "linear")
        items_VD = _array(self.items())
        return HistoryNetwork(
            layers, pooling="sum", items_VD=items_VD, bias_V=np.zeros(len(items_VD), np.float32), normalize=True
        )


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().numpy().copy()
    return array
