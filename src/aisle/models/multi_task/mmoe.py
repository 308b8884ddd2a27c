"""MMoE: each task mixes the hidden values of shared experts by a gate of its own.

Reference: Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018.

Deviations from the paper: gates have a bias.

Legend of shapes: B batch, N dense features, F embedded features, D embedding dimension, I inputs, E experts, H outputs
of an expert, K tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.models.multi_task.towers import TaskTowers
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.mlp import MLP, linear
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class MMoE(nn.Module):
    """Experts, a gate per task over them, and a tower per task.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, 0 or more.
        tasks: Names of the K labels.
        num_experts: E.
        expert_layers: Sizes of each expert, at least one.
        tower_layers: Hidden sizes of each tower; a last layer of 1 follows.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: there is no task, expert or layer of one, or a task comes twice.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        tasks: Sequence[str] = ("click", "purchase"),
        num_experts: int = 4,
        expert_layers: Sequence[int] = (256, 128),
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
        if num_experts < 1 or not expert_layers:
            raise ValueError(
                f"expected at least one expert and one layer, received {num_experts} and {list(expert_layers)}"
            )
        self.experts = nn.ModuleList(
            [
                MLP(size, expert_layers, last_activation=True, dropout=dropout, generator=generator)
                for _ in range(num_experts)
            ]
        )
        self.gates = linear(size, len(self.tasks) * num_experts, generator=generator)
        self.towers = TaskTowers(self.tasks, expert_layers[-1], tower_layers, dropout=dropout, generator=generator)

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
        expert_BEH = torch.stack([expert(input_BI) for expert in self.experts], dim=1)
        share_BKE = torch.softmax(self.gates(input_BI).view(-1, len(self.tasks), len(self.experts)), dim=2)
        mixed_BKH = torch.bmm(share_BKE.to(expert_BEH.dtype), expert_BEH)
        logits_BK: Tensor = self.towers(mixed_BKH.unbind(1))
        return logits_BK
