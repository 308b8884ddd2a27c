"""DCN: cross layers with one weight per input, beside an MLP.

Reference: Wang et al., "Deep & Cross Network for Ad Click Predictions", ADKDD 2017.

Deviations from the paper: no batch normalization. All tables have one width.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension, I inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.cross import CrossNetwork, VectorCross
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.mlp import MLP, linear
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class DCN(nn.Module):
    """A cross network and a deep part side by side.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, 0 or more.
        cross_layers: How many, at least 1.
        deep_layers: Sizes of the deep part, at least one; a linear layer to the logit follows.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: there is no cross layer or no deep layer.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        cross_layers: int = 3,
        deep_layers: Sequence[int] = (256, 128),
        numeric: Numeric = "linear",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if cross_layers < 1 or not deep_layers:
            raise ValueError(
                f"expected a cross layer and a deep layer at least, received {cross_layers} and {list(deep_layers)}"
            )
        self.num_dense = num_dense
        self.embeddings = embeddings
        dim = embeddings.embedding_dim
        self.fields = FieldVectors(embeddings.num_features, num_dense, dim, numeric=numeric, generator=generator)
        size = self.fields.flat_size
        self.cross = CrossNetwork([VectorCross(size, generator=generator) for _ in range(cross_layers)])
        self.deep = MLP(size, deep_layers, last_activation=True, dropout=dropout, generator=generator)
        self.logit = linear(size + deep_layers[-1], 1, generator=generator)

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector."""
        return embedding_dim

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B]."""
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        input_BI = self.fields.flat(dense_BN, self.fields(dense_BN, embedded_BFD))
        logit_B1: Tensor = self.logit(torch.cat([self.cross(input_BI), self.deep(input_BI)], dim=1))
        return logit_B1.squeeze(1)
