"""DIN: a visitor's history, weighted by how each place of it bears on the candidate.

Reference: Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018.

A history is T single-valued features, place by place, which share the candidate's table. Taken places come first; the
others hold the padding id 0. How many are taken says a dense feature, the history's length as a plain number (neither
logged nor standardized): the scoring half, which is all that is exported, sees vectors and no ids.

Deviations from the paper:
    - ReLU in place of PReLU and Dice, here and in the activation unit, which also reads the difference of both vectors,
      as the authors' code.
    - The mini-batch aware penalty is the optimizer's business.
    - Numbers enter the MLP as they are (``linear``); there, all features are ids.

Legend of shapes: B batch, N dense features with the length, F embedded features, G fields, D embedding dimension,
T places of a history, M candidate features that have one, C = M * D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from aisle.nn.attention import TargetAttention
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.mlp import MLP
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class DIN(nn.Module):
    """Target attention over a history, and an MLP.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, at least 1.
        histories: For each of M candidate features (an item's id, its category) the names of its history's T places.
        length_column: Which dense feature, from 0, is the history's length: whole numbers from 0 to T.
        pooling: ``attention``; or ``mean``, what the history is worth without: the mean of its taken places.
        attention_layers: Hidden sizes of the activation unit.
        deep_layers: Hidden sizes of the MLP; a last layer of 1 follows.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of the MLP's hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: there is no such feature or column, histories differ in length, or one shares no table with its
            candidate.
    """

    _candidate: Tensor
    _history: Tensor
    _field: Tensor
    _number: Tensor
    _place_T: Tensor

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
        _check(embeddings, num_dense, histories, length_column)
        self.num_dense = num_dense
        self.embeddings = embeddings
        self._length_column = length_column
        self._lay_out(histories)
        dim, num_candidates = embeddings.embedding_dim, len(histories)
        self.attention: TargetAttention | None = None
        if pooling == "attention":
            self.attention = TargetAttention(num_candidates * dim, attention_layers, generator=generator)
        self.fields = FieldVectors(len(self._field), num_dense - 1, dim, numeric=numeric, generator=generator)
        in_size = self.fields.flat_size + num_candidates * dim
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
        length_B, num_places = dense_BN[:, self._length_column], len(self._place_T)
        if not bool(((length_B >= 0) & (length_B <= num_places) & (length_B == length_B.round())).all()):
            raise ValueError(
                f"dense feature {self._length_column}: expected the history's length from 0 to {num_places}, received "
                f"values from {float(length_B.min())} to {float(length_B.max())}; do not transform it, or correct "
                "length_column"
            )
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        dim, num_candidates, num_places = embedded_BFD.shape[2], len(self._candidate), len(self._place_T)
        places = embedded_BFD.index_select(1, self._history).view(-1, num_candidates, num_places, dim)
        mask_BT = (self._place_T < dense_BN[:, self._length_column, None]).to(dense_BN.dtype)
        interest = self._interest(embedded_BFD, places.transpose(1, 2).flatten(2), mask_BT)
        number_BN = dense_BN.index_select(1, self._number)
        fields_BGD = self.fields(number_BN, embedded_BFD.index_select(1, self._field))
        logit_B1: Tensor = self.deep(torch.cat([self.fields.flat(number_BN, fields_BGD), interest], dim=1))
        return logit_B1.squeeze(1)

    def _interest(self, embedded_BFD: Tensor, history_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """The history [B, C] as one vector; zero where no place is taken."""
        if self.attention is not None:
            candidate_BC = embedded_BFD.index_select(1, self._candidate).flatten(1)
            pooled: Tensor = self.attention(candidate_BC, history_BTC, mask_BT)
            return pooled
        sum_BC = torch.bmm(mask_BT[:, None].to(history_BTC.dtype), history_BTC).squeeze(1)
        return sum_BC / mask_BT.sum(dim=1, keepdim=True).clamp(min=1)

    def _lay_out(self, histories: Mapping[str, Sequence[str]]) -> None:
        """Which columns are the candidates, their histories, the other fields and the other numbers."""
        names = self.embeddings.feature_names + self.embeddings.bag_names
        history = [names.index(name) for places in histories.values() for name in places]
        columns = {
            "_candidate": [names.index(name) for name in histories],
            "_history": history,
            "_field": [column for column in range(len(names)) if column not in history],
            "_number": [column for column in range(self.num_dense) if column != self._length_column],
            "_place_T": range(len(next(iter(histories.values())))),
        }
        for name, numbers in columns.items():
            self.register_buffer(name, torch.tensor(list(numbers), dtype=torch.int64), persistent=False)


def _check(
    embeddings: EmbeddingBagCollection, num_dense: int, histories: Mapping[str, Sequence[str]], length_column: int
) -> None:
    if not 0 <= length_column < num_dense:
        raise ValueError(f"length_column: expected one of {num_dense} dense features, received {length_column}")
    lengths = {len(places) for places in histories.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"histories: expected some of one length, at least 1, received the lengths {sorted(lengths)}")
    table_of = {name: table.name for table in embeddings.tables for name in table.feature_names}
    for candidate, places in histories.items():
        unknown = [name for name in (candidate, *places) if name not in table_of]
        if unknown:
            raise ValueError(f"histories: expected some of {', '.join(table_of)}, received {', '.join(unknown)}")
        others = [name for name in places if table_of[name] != table_of[candidate]]
        if others:
            raise ValueError(
                f"histories: expected places that share the table {table_of[candidate]} with {candidate}, "
                f"received {', '.join(others)} of other tables; let them share it"
            )
