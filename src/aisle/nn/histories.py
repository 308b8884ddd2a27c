"""A history among the features of an example: which columns it has, and how many of its places are taken.

A history is T single-valued features, place by place and oldest first, which share the candidate's table. Taken places
come first; the others hold the padding id 0. How many are taken says a dense feature, the history's length as a plain
number (neither logged nor standardized): the scoring half of a ranker, which is all that is exported, sees vectors and
no ids.

Legend of shapes: B batch, N dense features with the length, F embedded features, G fields, D embedding dimension,
T places of a history, M candidate features that have one, C = M * D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection


class HistoryColumns(nn.Module):
    """Takes an example apart: candidate, history, fields and numbers.

    Args:
        embeddings: Whose vectors are taken apart, of width D.
        num_dense: N, at least 1.
        histories: For each of M candidate features (an item's id, its category) the names of its history's T places.
        length_column: Which dense feature, from 0, is the history's length: whole numbers from 0 to T.

    Attributes:
        num_places: T.
        num_fields: G, all embedded features but the history's.
        candidate_size: C.

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
    ) -> None:
        super().__init__()
        _check(embeddings, num_dense, histories, length_column)
        names = embeddings.feature_names + embeddings.bag_names
        history = [names.index(name) for places in histories.values() for name in places]
        self._length_column = length_column
        self.num_places = len(history) // len(histories)
        self.num_fields = len(names) - len(history)
        self.candidate_size = len(histories) * embeddings.embedding_dim
        columns = {
            "_candidate": [names.index(name) for name in histories],
            "_history": history,
            "_field": [column for column in range(len(names)) if column not in history],
            "_number": [column for column in range(num_dense) if column != length_column],
            "_place_T": range(self.num_places),
        }
        for name, numbers in columns.items():
            self.register_buffer(name, torch.tensor(list(numbers), dtype=torch.int64), persistent=False)

    def check_lengths(self, dense_BN: Tensor) -> None:
        """Refuse a batch whose lengths are none.

        Raises:
            ValueError: a length is no whole number from 0 to T.
        """
        length_B = dense_BN[:, self._length_column]
        if not bool(((length_B >= 0) & (length_B <= self.num_places) & (length_B == length_B.round())).all()):
            raise ValueError(
                f"dense feature {self._length_column}: expected the history's length from 0 to {self.num_places}, "
                f"received values from {float(length_B.min())} to {float(length_B.max())}; do not transform it, or "
                "correct length_column"
            )

    def candidate(self, embedded_BFD: Tensor) -> Tensor:
        """What is asked for [B, C]."""
        return embedded_BFD.index_select(1, self._candidate).flatten(1)

    def history(self, embedded_BFD: Tensor) -> Tensor:
        """What was taken before [B, T, C], oldest first; places behind the length hold what padding looks up."""
        dim, num_candidates = embedded_BFD.shape[2], len(self._candidate)
        places = embedded_BFD.index_select(1, self._history).view(-1, num_candidates, self.num_places, dim)
        return places.transpose(1, 2).flatten(2)

    def mask(self, dense_BN: Tensor) -> Tensor:
        """1 where a place is taken, else 0 [B, T]."""
        return (self._place_T < dense_BN[:, self._length_column, None]).to(dense_BN.dtype)

    def places_back(self, dense_BN: Tensor) -> Tensor:
        """How far back from the candidate each place lies [B, T], int64: the last one taken 1, free ones 0."""
        back_BT = dense_BN[:, self._length_column, None] - self._place_T
        return back_BT.clamp(0, self.num_places).long()

    def fields(self, embedded_BFD: Tensor) -> Tensor:
        """The vectors [B, G, D] of no history, the candidate's among them."""
        return embedded_BFD.index_select(1, self._field)

    def numbers(self, dense_BN: Tensor) -> Tensor:
        """The dense features [B, N - 1] without the length."""
        return dense_BN.index_select(1, self._number)


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
