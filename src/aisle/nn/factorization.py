"""Factorized interactions: sums over all pairs of fields that never make the pairs.

Legend of shapes: B batch, G fields, D embedding dimension, P = G (G - 1) / 2 pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BiInteraction(nn.Module):
    """The sum of the element-wise products of all pairs of fields, in O(G D).

    Uses that twice the sum over pairs is the square of the sum less the sum of the squares: Rendle, "Factorization
    Machines", 2010, lemma 3.1; as a vector: He and Chua, "Neural Factorization Machines for Sparse Predictive
    Analytics", 2017.
    """

    def forward(self, fields_BGD: Tensor) -> Tensor:
        """The pooled vectors [B, D]; their sum is the second order term of a factorization machine."""
        return 0.5 * (fields_BGD.sum(dim=1).square() - fields_BGD.square().sum(dim=1))


class WeightedPairs(nn.Module):
    """The sum of the dot products of all pairs of fields, each pair with a weight of its own.

    Source: Pan et al., "Field-weighted Factorization Machines for Click-Through Rate Prediction in Display
    Advertising", 2018. With the weights in a symmetric matrix it is one product of matrices.

    Args:
        num_fields: G.
    """

    def __init__(self, num_fields: int) -> None:
        super().__init__()
        num_pairs = num_fields * (num_fields - 1) // 2
        self.weight_P = nn.Parameter(torch.ones(num_pairs))
        self._pair_of: Tensor
        self.register_buffer("_pair_of", pair_numbers(num_fields).flatten(), persistent=False)
        self._num_fields = num_fields

    def forward(self, fields_BGD: Tensor) -> Tensor:
        """The sums [B]."""
        padded = torch.cat([self.weight_P, self.weight_P.new_zeros(1)])
        weight_GG = padded.index_select(0, self._pair_of).view(self._num_fields, self._num_fields)
        return 0.5 * (fields_BGD * torch.matmul(weight_GG, fields_BGD)).sum(dim=(1, 2))


def pair_numbers(num_fields: int) -> Tensor:
    """The number [G, G] of each pair, row by row of the upper triangle, both ways; P on the diagonal."""
    row_P, column_P = torch.triu_indices(num_fields, num_fields, offset=1)
    number_GG = torch.full((num_fields, num_fields), len(row_P))
    number_GG[row_P, column_P] = number_GG[column_P, row_P] = torch.arange(len(row_P))
    return number_GG
