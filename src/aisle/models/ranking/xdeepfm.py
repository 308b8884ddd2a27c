"""xDeepFM: first order terms, a compressed interaction network and an MLP.

Reference: Lian et al., "xDeepFM: Combining Explicit and Implicit Feature Interactions for Recommender Systems", KDD
2018.

Deviations from the paper: numbers are fields by default (``embed``); there, they are bucketized.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension, W = D + 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.cin import CompressedInteraction
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.first_order import FirstOrder, split_first_order, start_first_order
from aisle.nn.mlp import MLP, linear
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class XDeepFM(nn.Module):
    """The sum of a linear, an explicit and a deep part.

    Args:
        embeddings: Tables of width D + 1: an id's vector and its own weight.
        num_dense: N, 0 or more.
        cin_layers: Feature maps of each layer of the compressed interaction network, at least one.
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
        cin_layers: Sequence[int] = (32, 32),
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
        self.interaction = CompressedInteraction(self.fields.num_fields, cin_layers, generator=generator)
        self.interaction_logit = linear(self.interaction.out_size, 1, generator=generator)
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
        explicit_B1 = self.interaction_logit(self.interaction(fields_BGD))
        logit_B1: Tensor = explicit_B1 + self.deep(self.fields.flat(dense_BN, fields_BGD))
        first_order_B: Tensor = self.first_order(dense_BN, weight_BF)
        return first_order_B + logit_B1.squeeze(1)
