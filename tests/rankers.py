"""Small rankers and rows for tests: seeded, with a known truth."""

from __future__ import annotations

import numpy as np
import torch

from aisle.models.ranking import DLRM, FieldDLRM, LogisticRegression
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.train.engine.batches import RankerRows

# Tests share few cores; and the same number of threads is part of "the same result".
torch.set_num_threads(1)

NUM_DENSE = 3
TABLE_ROWS = (12, 7)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_embeddings(embedding_dim: int, seed: int = 0) -> EmbeddingBagCollection:
    tables = [
        EmbeddingBagConfig(name=f"t{n}", num_embeddings=rows, embedding_dim=embedding_dim, feature_names=(f"f{n}",))
        for n, rows in enumerate(TABLE_ROWS)
    ]
    return EmbeddingBagCollection(tables, generator=generator(seed))


def make_dlrm(seed: int = 0, *, dropout: float = 0.0) -> DLRM:
    return DLRM(
        make_embeddings(4, seed),
        num_dense=NUM_DENSE,
        dense_layers=(8,),
        over_layers=(16,),
        raw_dense=True,
        linear_skip=True,
        dropout=dropout,
        generator=generator(seed + 1),
    )


def make_field_dlrm(seed: int = 0, *, dropout: float = 0.0) -> FieldDLRM:
    return FieldDLRM(
        make_embeddings(4, seed),
        dense_fields=[0, 1, 0],
        sparse_fields=[2, 1],
        dense_layers=(8,),
        over_layers=(16,),
        dropout=dropout,
        generator=generator(seed + 1),
    )


def make_logistic_regression() -> LogisticRegression:
    return LogisticRegression(make_embeddings(1), num_dense=NUM_DENSE)


def make_rows(num_rows: int, seed: int = 0) -> RankerRows:
    """Labels with the log odds ``2 * dense 0 - 1``, plus 1.5 where the first id is even."""
    draw = np.random.default_rng(seed)
    dense = draw.normal(size=(num_rows, NUM_DENSE)).astype(np.float32)
    sparse = np.stack([draw.integers(2, rows, num_rows) for rows in TABLE_ROWS], axis=1)
    logits = 2 * dense[:, 0] - 1 + 1.5 * (sparse[:, 0] % 2 == 0)
    label = (draw.random(num_rows) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    return RankerRows(dense, sparse, label, np.ones(num_rows, np.float32))
