"""Shared bottom: all tasks read the hidden values of one MLP.

Reference: Caruana, "Multitask Learning", Machine Learning 1997.

Deviations from the paper: the network is that of today's rankers (embeddings, ReLU).

Legend of shapes: B batch, N dense features, F embedded features, D embedding dimension, I inputs, K tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.models.multi_task.towers import TaskTowers
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.mlp import MLP
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class SharedBottom(nn.Module):
    """One bottom, and a tower per task.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, 0 or more.
        tasks: Names of the K labels.
        bottom_layers: Sizes of the shared MLP, at least one.
        tower_layers: Hidden sizes of each tower; a last layer of 1 follows.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: there is no task or no shared layer, or a task comes twice.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        tasks: Sequence[str] = ("click", "purchase"),
        bottom_layers: Sequence[int] = (256, 128),
        tower_layers: Sequence[int] = (64,),
        numeric: Numeric = "linear",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_dense = num_dense
        self.embeddings = embeddings
        self.tasks = tuple(tasks)
        dim = embeddings.embedding_dim
        self.fields = FieldVectors(embeddings.num_features, num_dense, dim, numeric=numeric, generator=generator)
        size = self.fields.flat_size
        if not bottom_layers:
            raise ValueError("bottom_layers: expected at least one shared layer, received none")
        self.bottom = MLP(size, bottom_layers, last_activation=True, dropout=dropout, generator=generator)
        self.towers = TaskTowers(self.tasks, bottom_layers[-1], tower_layers, dropout=dropout, generator=generator)

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector."""
        return embedding_dim

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B, K]."""
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B, K] of dense features and vectors that were looked up."""
        input_BI = self.fields.flat(dense_BN, self.fields(dense_BN, embedded_BFD))
        logits_BK: Tensor = self.towers([self.bottom(input_BI)] * len(self.tasks))
        return logits_BK
