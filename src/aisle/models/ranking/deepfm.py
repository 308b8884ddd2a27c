"""DeepFM: a factorization machine and an MLP over the same vectors.

Reference: Guo et al., "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction", IJCAI 2017.

Deviations from the paper:
    - Numbers: by default as in the factorization machine (``embed``), where also the MLP reads their vectors; with
      ``linear``, as in common open implementations, they have a first order weight and enter the MLP as they are.
    - No batch normalization (the paper has none either, several implementations do).

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension, W = D + 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.factorization import BiInteraction
from aisle.nn.first_order import FirstOrder, split_first_order, start_first_order
from aisle.nn.mlp import MLP
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class DeepFM(nn.Module):
    """The sum of a factorization machine and a deep part.

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
        numeric: Numeric = "embed",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_dense = num_dense
        self.embeddings = embeddings
        dim = start_first_order(embeddings, generator=generator)
        self.fields = FieldVectors(embeddings.num_features, num_dense, dim, numeric=numeric, generator=generator)
        self.first_order = FirstOrder(num_dense, numeric=numeric)
        self.interaction = BiInteraction()
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
        fields_BGD = self.fields(dense_BN, vectors_BFD)
        shallow_B: Tensor = self.first_order(dense_BN, weight_BF) + self.interaction(fields_BGD).sum(dim=1)
        deep_B1: Tensor = self.deep(self.fields.flat(dense_BN, fields_BGD))
        return shallow_B + deep_B1.squeeze(1)
