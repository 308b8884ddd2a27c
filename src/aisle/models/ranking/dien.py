"""DIEN: how a visitor's interest moved from place to place of the history, and where it stands for the candidate.

Reference: Zhou et al., "Deep Interest Evolution Network for Click-Through Rate Prediction", AAAI 2019.

A GRU reads the history; its hidden values are the interests. In training each must also tell what was taken next from
what another visitor of the batch took there (the auxiliary loss). A GRU with attention in its update gate then follows
the interest that bears on the candidate.

Deviations from the paper:
    - A negative of the auxiliary loss is another history's item at the same place of the batch, drawn by a permutation
      of the rows; one whose vector is the positive's is left out, and so is one behind its history's end. There,
      negatives are drawn from all items. The loss is the mean over the places that are left.
    - ReLU in place of PReLU and Dice.
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
from aisle.nn.sequences.interest_evolution import InterestEvolution, next_place_loss
from aisle.nn.sequences.recurrent import RecurrentLayers
from aisle.nn.sparse import SparseFeatures


class DIEN(nn.Module):
    """Interests from a GRU, their evolution towards the candidate, and an MLP.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, at least 1.
        histories: For each of M candidate features the names of its history's T places, see
            :class:`~aisle.nn.histories.HistoryColumns`.
        length_column: Which dense feature, from 0, is the history's length: whole numbers from 0 to T.
        auxiliary_weight: What the auxiliary loss counts beside that of the labels; 0 switches it off.
        deep_layers: Hidden sizes of the MLP; a last layer of 1 follows.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of the MLP's hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: the histories are none, or the weight is negative.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        histories: Mapping[str, Sequence[str]],
        length_column: int,
        auxiliary_weight: float = 1.0,
        deep_layers: Sequence[int] = (200, 80),
        numeric: Numeric = "linear",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if not auxiliary_weight >= 0:
            raise ValueError(f"auxiliary_weight: expected 0 or more, received {auxiliary_weight}")
        self.num_dense = num_dense
        self.embeddings = embeddings
        self.auxiliary_weight = auxiliary_weight
        self._next_place_loss: Tensor | None = None
        self.columns = HistoryColumns(embeddings, num_dense=num_dense, histories=histories, length_column=length_column)
        size = self.columns.candidate_size
        self.extractor = RecurrentLayers(size, size, cell="gru", generator=generator)
        self.evolution = InterestEvolution(size, size, generator=generator)
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
        """The logits [B]; in training the auxiliary loss is kept until it is taken.

        Raises:
            ValueError: a length is no whole number from 0 to T.
        """
        self.columns.check_lengths(dense_BN)
        embedded_BFD = self.embeddings(sparse)
        history_BTC = self.columns.history(embedded_BFD)
        interest_BTC = self.extractor(history_BTC)
        if self.training and self.auxiliary_weight > 0:
            self._next_place_loss = next_place_loss(interest_BTC, history_BTC, self.columns.mask(dense_BN))
        return self._logits(dense_BN, embedded_BFD, interest_BTC)

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        return self._logits(dense_BN, embedded_BFD, self.extractor(self.columns.history(embedded_BFD)))

    def take_auxiliary_loss(self) -> Tensor:
        """The weighted auxiliary loss of the last call in training, once."""
        found, self._next_place_loss = self._next_place_loss, None
        assert found is not None, "there was a call in training, with a weight above 0"
        return self.auxiliary_weight * found

    def _logits(self, dense_BN: Tensor, embedded_BFD: Tensor, interest_BTC: Tensor) -> Tensor:
        number_BN = self.columns.numbers(dense_BN)
        fields_BGD = self.fields(number_BN, self.columns.fields(embedded_BFD))
        candidate_BC = self.columns.candidate(embedded_BFD)
        evolved_BC = self.evolution(candidate_BC, interest_BTC, self.columns.mask(dense_BN))
        logit_B1: Tensor = self.deep(torch.cat([self.fields.flat(number_BN, fields_BGD), evolved_BC], dim=1))
        return logit_B1.squeeze(1)
