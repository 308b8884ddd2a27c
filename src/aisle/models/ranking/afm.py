"""AFM, the attentional factorization machine: a network says how much each pair of fields counts.

Reference: Xiao et al., "Attentional Factorization Machines: Learning the Weight of Feature Interactions via Attention
Networks", IJCAI 2017.

Deviations from the paper: none with ``numeric: embed`` and the penalty of the attention network left to the optimizer.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension, W = D + 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aisle.nn.attention import AttentionPooling
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.first_order import FirstOrder, split_first_order, start_first_order
from aisle.nn.mlp import linear
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class AFM(nn.Module):
    """First order terms, and a weighting of the attention-pooled products of all pairs.

    Args:
        embeddings: Tables of width D + 1: an id's vector and its own weight.
        num_dense: N, 0 or more.
        attention_size: Hidden values of the attention network.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of pooled values that training drops.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        attention_size: int = 16,
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
        self.interaction = AttentionPooling(self.fields.num_fields, dim, attention_size, generator=generator)
        self.dropout = nn.Dropout(dropout)
        self.logit = linear(dim, 1, generator=generator)

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
        pooled_BD = self.interaction(self.fields(dense_BN, vectors_BFD))
        logit_B1: Tensor = self.logit(self.dropout(pooled_BD))
        first_order_B: Tensor = self.first_order(dense_BN, weight_BF)
        return first_order_B + logit_B1.squeeze(1)
