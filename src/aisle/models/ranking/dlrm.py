"""DLRM: sparse arch, dense arch, interaction arch, over arch.

Reference: Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation Systems", 2019.

Deviations from the paper, all off by default:
    - ``raw_dense``: the dense features also enter the over arch as they are, beside the dense arch's output: a
      bottleneck as narrow as an embedding loses much of what strong numeric features say.
    - ``linear_skip``: a linear layer from the dense features to the logit, as the wide part of Wide & Deep.
    - ``dropout`` in both MLPs.
The logit is given, not its sigmoid, which the loss and the calibrator take.

Legend of shapes: B batch, N dense features, F embedded sparse features, D embedding dimension, I inputs of the over
arch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.interactions import DenseConcatInteraction, DenseDotInteraction
from aisle.nn.mlp import MLP, linear
from aisle.nn.sparse import SparseFeatures


class DLRM(nn.Module):
    """A deep ranker over dense features and embedded sparse ones.

    Args:
        embeddings: The sparse arch.
        num_dense: N, at least 1.
        dense_layers: Hidden sizes of the dense arch; a last layer of D follows, so that it meets the embeddings.
        over_layers: Hidden sizes of the over arch; a last layer of 1 follows.
        interaction: ``dot`` (each pair of the F + 1 vectors) or ``cat`` (the vectors side by side).
        raw_dense: See the deviations.
        linear_skip: See the deviations.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        dense_layers: Sequence[int] = (256, 64),
        over_layers: Sequence[int] = (256, 64),
        interaction: Literal["dot", "cat"] = "dot",
        raw_dense: bool = False,
        linear_skip: bool = False,
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if num_dense < 1:
            raise ValueError(f"expected at least one dense feature, received num_dense={num_dense}")
        dim = embeddings.embedding_dim
        self.num_dense = num_dense
        self.embeddings = embeddings
        self.dense_arch = MLP(
            num_dense, [*dense_layers, dim], last_activation=True, dropout=dropout, generator=generator
        )
        if interaction not in ("dot", "cat"):
            raise ValueError(f"interaction: expected dot or cat, received {interaction!r}")
        self.interaction = (
            DenseDotInteraction(embeddings.num_features, dim)
            if interaction == "dot"
            else DenseConcatInteraction(embeddings.num_features, dim)
        )
        in_size = self.interaction.out_size
        self.raw_dense = raw_dense
        in_size += num_dense if raw_dense else 0
        self.over_arch = MLP(in_size, [*over_layers, 1], last_activation=False, dropout=dropout, generator=generator)
        self.skip = linear(num_dense, 1, generator=generator) if linear_skip else None

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector."""
        return embedding_dim

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B]."""
        return self.score(dense_BN, self.embeddings(sparse, rounded=True))

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        dense_BD = self.dense_arch(dense_BN)
        interacted_BI = self.interaction(dense_BD, embedded_BFD)
        if self.raw_dense:
            interacted_BI = torch.cat([interacted_BI, dense_BN], dim=1)
        logits_B1: Tensor = self.over_arch(interacted_BI)
        if self.skip is not None:
            logits_B1 = logits_B1 + self.skip(dense_BN)
        return logits_B1.squeeze(1)
