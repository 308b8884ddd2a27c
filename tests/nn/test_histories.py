"""Histories among features: what is of the candidate, of its history, and of neither; what is refused stands at DIN."""

from __future__ import annotations

import torch

from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.histories import HistoryColumns
from tests.rankers import generator

TABLES = {"user": ["user"], "item": ["item", "item_0", "item_1"], "kind": ["kind", "kind_0", "kind_1"]}
HISTORIES = {"item": ["item_0", "item_1"], "kind": ["kind_0", "kind_1"]}
LENGTH = 1


def _make() -> HistoryColumns:
    tables = [
        EmbeddingBagConfig(name=name, num_embeddings=9, embedding_dim=2, feature_names=tuple(features))
        for name, features in TABLES.items()
    ]
    embeddings = EmbeddingBagCollection(tables, generator=generator())
    return HistoryColumns(embeddings, num_dense=3, histories=HISTORIES, length_column=LENGTH)


def test_an_example_taken_apart() -> None:
    columns = _make()
    assert (columns.num_places, columns.num_fields, columns.candidate_size) == (2, 3, 4)
    embedded = torch.arange(14.0).view(1, 7, 2)
    assert columns.candidate(embedded).tolist() == [[2, 3, 8, 9]]
    assert columns.history(embedded).tolist() == [[[4, 5, 10, 11], [6, 7, 12, 13]]]
    assert columns.fields(embedded).tolist() == [[[0, 1], [2, 3], [8, 9]]]


def test_the_length_says_which_places_are_taken() -> None:
    columns = _make()
    dense = torch.tensor([[0.5, 0, -1], [0.6, 1, -2], [0.7, 2, -3]])
    assert columns.mask(dense).tolist() == [[0, 0], [1, 0], [1, 1]]
    assert columns.places_back(dense).tolist() == [[0, 0], [1, 0], [2, 1]]
    torch.testing.assert_close(columns.numbers(dense), torch.tensor([[0.5, -1], [0.6, -2], [0.7, -3]]))
