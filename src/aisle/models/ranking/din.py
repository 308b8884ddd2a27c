"""DIN: a visitor's history, weighted by how each place of it bears on the candidate.

Reference: Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018.

Deviations from the paper:
    - ReLU in place of PReLU and Dice, here and in the activation unit, which also reads the difference of both vectors,
      as the authors' code.
    - The mini-batch aware penalty is the optimizer's business.
    - Numbers enter the MLP as they are (``linear``); there, all features are ids.

Legend of shapes: B batch, N dense features with the length, F embedded features, G fields, D embedding dimension,
M candidate features that have a history, C = M * D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from aisle.nn.attention import TargetAttention
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.histories import HistoryColumns
from aisle.nn.mlp import MLP
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class DIN(nn.Module):
    """Target attention over a history, and an MLP.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, at least 1.
        histories: For each of M candidate features the names of its history's T places, see
            :class:`~aisle.nn.histories.HistoryColumns`.
        length_column: Which dense feature, from 0, is the history's length: whole numbers from 0 to T.
        pooling: ``attention``; or ``mean``, what the history is worth without: the mean of its taken places.
        attention_layers: Hidden sizes of the activation unit.
        deep_layers: Hidden sizes of the MLP; a last layer of 1 follows.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of the MLP's hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: the histories are none.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        histories: Mapping[str, Sequence[str]],
        length_column: int,
        pooling: Literal["attention", "mean"] = "attention",
        attention_layers: Sequence[int] = (80, 40),
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
        self.attention: TargetAttention | None = None
        if pooling == "attention":
            self.attention = TargetAttention(size, attention_layers, generator=generator)
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
        interest_BC = self._interest(dense_BN, embedded_BFD)
        number_BN = self.columns.numbers(dense_BN)
        fields_BGD = self.fields(number_BN, self.columns.fields(embedded_BFD))
        logit_B1: Tensor = self.deep(torch.cat([self.fields.flat(number_BN, fields_BGD), interest_BC], dim=1))
        return logit_B1.squeeze(1)

    def _interest(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The history [B, C] as one vector; zero where no place is taken."""
        history_BTC, mask_BT = self.columns.history(embedded_BFD), self.columns.mask(dense_BN)
        if self.attention is not None:
            pooled_BC: Tensor = self.attention(self.columns.candidate(embedded_BFD), history_BTC, mask_BT)
            return pooled_BC
        sum_BC = torch.bmm(mask_BT[:, None].to(history_BTC.dtype), history_BTC).squeeze(1)
        return sum_BC / mask_BT.sum(dim=1, keepdim=True).clamp(min=1)
