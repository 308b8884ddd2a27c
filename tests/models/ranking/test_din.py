"""DIN: which places of a history count, for which candidate, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from aisle.models.ranking import DIN
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.sparse import SparseFeatures
from tests.contracts.rankers import fit, scrambled
from tests.rankers import generator

TABLES = {"user": ["user"], "item": ["item", "item_0", "item_1"], "kind": ["kind", "kind_0", "kind_1"]}
HISTORIES = {"item": ["item_0", "item_1"], "kind": ["kind_0", "kind_1"]}
LENGTH = 0


def _make(**fields: Any) -> DIN:
    tables = [
        EmbeddingBagConfig(name=name, num_embeddings=9, embedding_dim=4, feature_names=tuple(features))
        for name, features in TABLES.items()
    ]
    fields = {"num_dense": 2, "histories": HISTORIES, "length_column": LENGTH, "attention_layers": (8,)} | fields
    embeddings = EmbeddingBagCollection(tables, generator=generator())
    return DIN(embeddings, deep_layers=(8,), generator=generator(), **fields)


def test_the_score_from_its_parts() -> None:
    model = scrambled(_make())
    dense, embedded = torch.tensor([[1.0, 0.5], [2.0, -1.0]]), torch.randn(2, 7, 4, generator=generator(1))
    user, item, item_0, item_1, kind, kind_0, kind_1 = embedded.unbind(1)
    candidate = torch.cat([item, kind], dim=1)
    history = torch.stack([torch.cat([item_0, kind_0], dim=1), torch.cat([item_1, kind_1], dim=1)], dim=1)
    interest = model.attention(candidate, history, torch.tensor([[1.0, 0], [1, 1]]))
    inputs = torch.cat([user, item, kind, dense[:, 1:], interest], dim=1)
    torch.testing.assert_close(model.score(dense, embedded), model.deep(inputs)[:, 0])


def test_without_attention_the_history_is_the_mean_of_its_taken_places() -> None:
    model = scrambled(_make(pooling="mean"))
    dense, embedded = torch.tensor([[0.0, 0.5], [1, 0.5], [2.0, -1.0]]), torch.randn(3, 7, 4, generator=generator(1))
    user, item, item_0, item_1, kind, kind_0, kind_1 = embedded.unbind(1)
    both = torch.cat([item_0 + item_1, kind_0 + kind_1], dim=1)[2] / 2
    interest = torch.stack([torch.zeros(8), torch.cat([item_0, kind_0], dim=1)[1], both])
    inputs = torch.cat([user, item, kind, dense[:, 1:], interest], dim=1)
    torch.testing.assert_close(model.score(dense, embedded), model.deep(inputs)[:, 0])


def test_places_beyond_the_length_say_nothing() -> None:
    model = scrambled(_make())
    dense = torch.tensor([[1.0, 0.5]])
    ids = torch.tensor([[2, 3, 4, 0, 5, 6, 0]])
    other = torch.tensor([[2, 3, 4, 7, 5, 6, 8]])
    assert torch.equal(model(dense, SparseFeatures(ids)), model(dense, SparseFeatures(other)))
    longer = torch.tensor([[2.0, 0.5]])
    assert not torch.equal(model(longer, SparseFeatures(ids)), model(longer, SparseFeatures(other)))


def test_it_learns_whether_the_candidate_was_taken_before() -> None:
    """Also of an item that stood in no history with this label."""
    draw = torch.Generator().manual_seed(3)
    ids = torch.randint(1, 9, (2000, 7), generator=draw)
    ids[1::2, 2] = ids[1::2, 1]
    dense = torch.tensor([2.0, 0.0]).repeat(2000, 1)
    label = ((ids[:, 2] == ids[:, 1]) | (ids[:, 3] == ids[:, 1])).float()
    assert fit(_make(), dense, SparseFeatures(ids), label, num_steps=200) < 0.15


def test_a_length_that_is_none_is_refused() -> None:
    ids = SparseFeatures(torch.full((1, 7), 2))
    for length in (-1.0, 3.0, 0.5):
        with pytest.raises(ValueError, match="dense feature 0: expected the history's length from 0 to 2"):
            _make()(torch.tensor([[length, 0.0]]), ids)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"length_column": 2}, "expected one of 2 dense features, received 2"),
        ({"histories": {}}, "received the lengths .."),
        ({"histories": {"item": ["item_0"], "kind": ["kind_0", "kind_1"]}}, r"received the lengths \[1, 2\]"),
        ({"histories": {"item": ["item_0", "item_9"]}}, "received item_9"),
        ({"histories": {"item": ["item_0", "kind_0"]}}, "share the table item with item, received kind_0 of other"),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _make(**fields)
