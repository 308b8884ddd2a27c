"""BST: a history as a sequence that its candidate ends."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from aisle.models.ranking import BST
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.sparse import SparseFeatures
from tests.contracts.rankers import scrambled
from tests.rankers import generator

TABLES = {"user": ["user"], "item": ["item", "item_0", "item_1", "item_2"]}
HISTORIES = {"item": ["item_0", "item_1", "item_2"]}


def _make(**fields: Any) -> BST:
    tables = [
        EmbeddingBagConfig(name=name, num_embeddings=9, embedding_dim=4, feature_names=tuple(features))
        for name, features in TABLES.items()
    ]
    embeddings = EmbeddingBagCollection(tables, generator=generator())
    fields = {"num_dense": 2, "histories": HISTORIES, "length_column": 0, "deep_layers": (8,)} | fields
    return BST(embeddings, generator=generator(), **fields)


def _score(model: BST, length: float, *ids: int) -> torch.Tensor:
    return model(torch.tensor([[length, 0.5]]), SparseFeatures(torch.tensor([ids])))


def test_the_score_from_its_parts() -> None:
    model = scrambled(_make())
    dense, embedded = torch.tensor([[2.0, 0.5]]), torch.randn(1, 5, 4, generator=generator(1))
    user, item, item_0, item_1, _ = embedded.unbind(1)
    # The free place is left out here: nothing sees it. The last one taken is 1 place back.
    places = torch.stack([item_0, item_1, item], dim=1) + model.sequence.position_PC[torch.tensor([2, 1, 0])]
    block, all_seen = model.sequence.blocks[0], torch.ones(1, 1, 1, 3, dtype=torch.bool)
    encoded = model.sequence.norm(block(places, all_seen)[:, -1])
    inputs = torch.cat([user, item, dense[:, 1:], encoded], dim=1)
    torch.testing.assert_close(model.score(dense, embedded), model.deep(inputs)[:, 0])


def test_places_beyond_the_length_say_nothing() -> None:
    model = scrambled(_make(num_blocks=2))
    assert torch.equal(_score(model, 1, 2, 3, 4, 0, 0), _score(model, 1, 2, 3, 4, 7, 8))
    assert not torch.equal(_score(model, 2, 2, 3, 4, 0, 0), _score(model, 2, 2, 3, 4, 7, 8))
    assert torch.equal(_score(model, 0, 2, 3, 4, 5, 6), _score(model, 0, 2, 3, 0, 0, 0))


def test_the_order_of_places_counts() -> None:
    model = scrambled(_make())
    assert not torch.allclose(_score(model, 2, 2, 3, 4, 5, 0), _score(model, 2, 2, 3, 5, 4, 0))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="expected num_heads that divides the width 4, received 3"):
        _make(num_heads=3)
    with pytest.raises(ValueError, match="expected some of one length"):
        _make(histories={})
    with pytest.raises(ValueError, match="dense feature 0: expected the history's length from 0 to 3"):
        _score(_make(), 4, 2, 3, 4, 5, 6)
