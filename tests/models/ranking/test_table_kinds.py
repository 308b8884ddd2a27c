"""Every model of the registry learns through every kind of embedding table."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from aisle.models.ranking.registry import MODELS
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.sparse import SparseFeatures
from aisle.nn.tables import Full, Hashed, LowRank, QuotientRemainder, TableKind, Thresholded
from tests.rankers import generator

HISTORY_MODELS = ("bst", "dien", "din")
KINDS: dict[str, TableKind] = {
    "full": Full(),
    "hashed": Hashed(6),
    "thresholded": Thresholded(10),
    "mult": QuotientRemainder(5),
    "add": QuotientRemainder(5, "add"),
    "concat": QuotientRemainder(5, "concat"),
    "low-rank": LowRank(2),
}


@pytest.mark.parametrize("model", MODELS)
def test_all_kinds_learn_at_once(model: str) -> None:
    width = MODELS[model].table_width(4)
    kinds = [kind for name, kind in KINDS.items() if width > 1 or name != "concat"]  # no two parts in one number
    histories = {f"f{n}": [f"first{n}", f"second{n}"] for n in range(len(kinds))}
    tables = [
        EmbeddingBagConfig(
            name=f"t{n}",
            num_embeddings=20,
            embedding_dim=width,
            feature_names=(f"f{n}", *histories[f"f{n}"]),
            kind=kind,
        )
        for n, kind in enumerate(kinds)
    ]
    extra: dict[str, Any] = {"histories": histories, "length_column": 0} if model in HISTORY_MODELS else {}
    embeddings = EmbeddingBagCollection(tables, generator=generator())
    ranker = MODELS[model](embeddings, num_dense=2, generator=generator(1), **extra)
    draw = generator(2)
    sparse = SparseFeatures(torch.randint(0, 20, (64, 3 * len(kinds)), generator=draw))
    dense = torch.randint(0, 3, (64, 2), generator=draw).float()
    label = (sparse.ids_BS[:, 0] % 2).float()
    before = {name: value.detach().clone() for name, value in embeddings.named_parameters()}
    optimizer = torch.optim.Adam(ranker.parameters(), lr=0.02)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = binary_cross_entropy_with_logits(ranker(dense, sparse), label)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]
    for name, value in embeddings.named_parameters():
        assert (value != before[name]).any(), name
