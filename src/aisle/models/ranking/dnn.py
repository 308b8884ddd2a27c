"""DNN ranker: an MLP over vectors and numbers side by side, as YouTube's.

Reference: Covington et al., "Deep Neural Networks for YouTube Recommendations", RecSys 2016, section 4.

Deviations from the paper:
    - ``powers`` of numbers are signed and off by default: there, numbers are quantiles in [0, 1), here mostly
      standardized.
    - Weighting examples (there, by watch time) is training's business. Several ids of one feature are a bag.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.mlp import MLP
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class DNN(nn.Module):
    """A deep ranker without an interaction arch.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, 0 or more.
        deep_layers: Hidden sizes of the deep part; a last layer of 1 follows.
        powers: Whether numbers also enter as their squares and square roots, with their signs.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        deep_layers: Sequence[int] = (512, 256, 128),
        powers: bool = False,
        numeric: Numeric = "linear",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_dense = num_dense
        self.embeddings = embeddings
        dim = embeddings.embedding_dim
        self.fields = FieldVectors(embeddings.num_features, num_dense, dim, numeric=numeric, generator=generator)
        self._has_powers = powers and num_dense > 0
        in_size = self.fields.flat_size + (2 * num_dense if self._has_powers else 0)
        self.deep = MLP(in_size, [*deep_layers, 1], last_activation=False, dropout=dropout, generator=generator)

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
        if self._has_powers:
            root_BN = dense_BN.sign() * dense_BN.abs().sqrt()
            input_BI = torch.cat([input_BI, dense_BN * dense_BN.abs(), root_BN], dim=1)
        logit_B1: Tensor = self.deep(input_BI)
        return logit_B1.squeeze(1)
