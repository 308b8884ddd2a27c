"""A label that only the order of a history tells: whether what was taken last is the candidate's like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from aisle.metrics import auc
from aisle.models import AuxiliaryRanker
from aisle.models.ranking.registry import MODELS
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.sparse import SparseFeatures
from tests.rankers import generator

PLACES = [f"last_{n}" for n in range(4)]
NUM_CATEGORIES = 8
NUM_STEPS = 120


def _rows(num_rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lengths, categories (the candidate's, then the history's) and labels.

    Where the last one is not the candidate's, the first one is, so that the history as a set says little.
    """
    draw = np.random.default_rng(seed)
    length = draw.integers(2, len(PLACES) + 1, num_rows)
    ids = draw.integers(2, NUM_CATEGORIES + 2, (num_rows, 1 + len(PLACES)))
    row, is_last = np.arange(num_rows), draw.random(num_rows) < 0.5
    ids[row, np.where(is_last, length, 1)] = ids[:, 0]
    label = ids[row, length] == ids[:, 0]
    ids[:, 1:] *= np.arange(len(PLACES)) < length[:, None]
    return torch.from_numpy(length[:, None]).float(), torch.from_numpy(ids), torch.from_numpy(label).float()


def _auc_of(kind: str, fields: dict[str, Any]) -> float:
    """On rows that were not learnt from."""
    draw = generator()
    table = EmbeddingBagConfig(
        name="category",
        num_embeddings=NUM_CATEGORIES + 2,
        embedding_dim=8,
        feature_names=("category", *PLACES),
    )
    model = MODELS[kind](
        EmbeddingBagCollection([table], generator=draw),
        num_dense=1,
        histories={"category": PLACES},
        length_column=0,
        deep_layers=(32,),
        generator=draw,
        **fields,
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    dense, ids, label = _rows(3000, seed=1)
    torch.manual_seed(0)
    for _ in range(NUM_STEPS):
        chosen = torch.randint(0, len(label), (256,), generator=draw)
        loss = binary_cross_entropy_with_logits(model(dense[chosen], SparseFeatures(ids[chosen])), label[chosen])
        if isinstance(model, AuxiliaryRanker) and model.auxiliary_weight > 0:
            loss = loss + model.take_auxiliary_loss()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    dense, ids, label = _rows(2000, seed=2)
    with torch.no_grad():
        logits = model.eval()(dense, SparseFeatures(ids))
    return auc(logits.numpy(), label.numpy())


@pytest.mark.parametrize(("kind", "fields"), [("bst", {}), ("dien", {}), ("dien", {"auxiliary_weight": 0.0})])
def test_models_of_sequences_learn_it(kind: str, fields: dict[str, Any]) -> None:
    assert _auc_of(kind, fields) > 0.97


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_models_of_sets_cannot(pooling: str) -> None:
    assert _auc_of("din", {"pooling": pooling}) < 0.75
