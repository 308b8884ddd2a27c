"""BST: a visitor's history and the candidate as one sequence, through a transformer block.

Reference: Chen et al., "Behavior Sequence Transformer for E-commerce Recommendation in Alibaba", DLP-KDD 2019.

Deviations from the paper:
    - Positions are places back from the candidate, not the time between a place and the candidate: a history's places
      come without their times. Position vectors are added; there, they stand beside the items'.
    - Each half of a block is normalized before, not behind, and ReLU stands for LeakyReLU, here and in the MLP.
    - The MLP reads what the blocks give at the candidate's place, as the paper's text says; its figure draws all.
    - Numbers enter the MLP as they are (``linear``); there, all features are ids.

Legend of shapes: B batch, N dense features with the length, F embedded features, D embedding dimension, T places of a
history, M candidate features that have one, C = M * D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.histories import HistoryColumns
from aisle.nn.mlp import MLP
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sequences.behavior_sequence import BehaviorSequence
from aisle.nn.sparse import SparseFeatures


class BST(nn.Module):
    """Transformer blocks over a history and its candidate, and an MLP.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, at least 1.
        histories: For each of M candidate features the names of its history's T places, see
            :class:`~aisle.nn.histories.HistoryColumns`.
        length_column: Which dense feature, from 0, is the history's length: whole numbers from 0 to T.
        num_blocks: Transformer blocks, at least 1.
        num_heads: Heads of each, a divisor of C.
        deep_layers: Hidden sizes of the MLP; a last layer of 1 follows.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share that training drops: of the sequence, of both halves of a block, of the MLP's hidden values.
        generator: Draws the first weights.

    Raises:
        ValueError: the histories are none, or ``num_heads`` does not divide C.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        histories: Mapping[str, Sequence[str]],
        length_column: int,
        num_blocks: int = 1,
        num_heads: int = 2,
        deep_layers: Sequence[int] = (200, 80),
        numeric: Numeric = "linear",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_dense = num_dense
        self.embeddings = embeddings
        self.columns = HistoryColumns(embeddings, num_dense=num_dense, histories=histories, length_column=length_column)
        size = self.columns.candidate_size
        self.sequence = BehaviorSequence(
            size,
            num_places=self.columns.num_places,
            num_blocks=num_blocks,
            num_heads=num_heads,
            dropout=dropout,
            generator=generator,
        )
        self.fields = FieldVectors(
            self.columns.num_fields, num_dense - 1, embeddings.embedding_dim, numeric=numeric, generator=generator
        )
        in_size = self.fields.flat_size + size
        self.deep = MLP(in_size, [*deep_layers, 1], last_activation=False, dropout=dropout, generator=generator)

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector."""
        return embedding_dim

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B].

        Raises:
            ValueError: a length is no whole number from 0 to T.
        """
        self.columns.check_lengths(dense_BN)
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        number_BN = self.columns.numbers(dense_BN)
        fields_BGD = self.fields(number_BN, self.columns.fields(embedded_BFD))
        candidate_BC, history_BTC = self.columns.candidate(embedded_BFD), self.columns.history(embedded_BFD)
        encoded_BC = self.sequence(candidate_BC, history_BTC, self.columns.places_back(dense_BN))
        logit_B1: Tensor = self.deep(torch.cat([self.fields.flat(number_BN, fields_BGD), encoded_BC], dim=1))
        return logit_B1.squeeze(1)
