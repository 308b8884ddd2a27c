"""Attention-DLRM: the attention of AFM pools the products of DLRM's vectors.

References: Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation Systems", 2019;
Xiao et al., "Attentional Factorization Machines: Learning the Weight of Feature Interactions via Attention Networks",
IJCAI 2017.

DLRM hands the dot product of each pair of vectors to the over arch, as many values as pairs. Here the element-wise
products of the pairs are averaged, with weights that a small network gives each, into one vector.

Deviations from the papers: no first order terms (those of AFM); the pooled vector enters the over arch, not a linear
layer. ``beside`` keeps the dot products.

Legend of shapes: B batch, N dense features, F embedded features, V = F + 1 vectors, D embedding dimension, P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from aisle.nn.attention import AttentionPooling
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.interactions import DotInteraction
from aisle.nn.mlp import MLP
from aisle.nn.sparse import SparseFeatures


class AttentionDLRM(nn.Module):
    """DLRM with attention in its interaction arch.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, at least 1.
        dense_layers: Hidden sizes of the dense arch; a last layer of D follows.
        over_layers: Hidden sizes of the over arch; a last layer of 1 follows.
        attention: ``replace``: in place of the dot products; ``beside``: beside them.
        attention_size: Hidden values of the attention network.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: there is no dense feature, or ``attention`` is none of the two.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        dense_layers: Sequence[int] = (256, 64),
        over_layers: Sequence[int] = (256, 64),
        attention: Literal["replace", "beside"] = "beside",
        attention_size: int = 16,
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if num_dense < 1 or attention not in ("replace", "beside"):
            raise ValueError(
                f"expected at least one dense feature and the attention replace or beside, received {num_dense} and "
                f"{attention!r}"
            )
        self.num_dense = num_dense
        self.embeddings = embeddings
        dim, num_vectors = embeddings.embedding_dim, embeddings.num_features + 1
        self.dense_arch = MLP(
            num_dense, [*dense_layers, dim], last_activation=True, dropout=dropout, generator=generator
        )
        self.pooling = AttentionPooling(num_vectors, dim, attention_size, generator=generator)
        self.interaction = DotInteraction(num_vectors) if attention == "beside" else None
        in_size = 2 * dim + (0 if self.interaction is None else self.interaction.out_size)
        self.over_arch = MLP(in_size, [*over_layers, 1], last_activation=False, dropout=dropout, generator=generator)

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector."""
        return embedding_dim

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B]."""
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        dense_BD = self.dense_arch(dense_BN)
        vectors_BVD = torch.cat([dense_BD[:, None], embedded_BFD], dim=1)
        parts = [dense_BD, self.pooling(vectors_BVD)]
        if self.interaction is not None:
            parts.append(self.interaction(vectors_BVD))
        logits_B1: Tensor = self.over_arch(torch.cat(parts, dim=1))
        return logits_B1.squeeze(1)
