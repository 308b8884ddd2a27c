"""Wide & Deep: a linear model that remembers, beside an MLP that generalizes.

Reference: Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016.

Deviations from the paper:
    - Cross-product transformations of the wide part are features (crossed columns), not part of the model.
    - Numbers enter both parts as they are; there, the deep part alone.
    - One optimizer for the whole; there, FTRL for the wide part and AdaGrad for the deep one.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension, W = D + 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.first_order import FirstOrder, split_first_order, start_first_order
from aisle.nn.mlp import MLP
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class WideDeep(nn.Module):
    """The sum of first order terms and an MLP over the vectors side by side.

    Args:
        embeddings: Tables of width D + 1: an id's vector and its own weight.
        num_dense: N, 0 or more.
        deep_layers: Hidden sizes of the deep part; a last layer of 1 follows.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        deep_layers: Sequence[int] = (256, 128),
        numeric: Numeric = "linear",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_dense = num_dense
        self.embeddings = embeddings
        dim = start_first_order(embeddings, generator=generator)
        self.fields = FieldVectors(embeddings.num_features, num_dense, dim, numeric=numeric, generator=generator)
        self.first_order = FirstOrder(num_dense, numeric=numeric)
        self.deep = MLP(
            self.fields.flat_size, [*deep_layers, 1], last_activation=False, dropout=dropout, generator=generator
        )

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector: an id's own weight comes last."""
        return embedding_dim + 1

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B]."""
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BFW: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        vectors_BFD, weight_BF = split_first_order(embedded_BFW)
        deep_B1: Tensor = self.deep(self.fields.flat(dense_BN, self.fields(dense_BN, vectors_BFD)))
        wide_B: Tensor = self.first_order(dense_BN, weight_BF)
        return wide_B + deep_B1.squeeze(1)
