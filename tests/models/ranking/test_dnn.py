"""DNN: vectors, numbers and their powers side by side."""

from __future__ import annotations

import torch

from aisle.models.ranking import DNN
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def test_powers_keep_their_signs() -> None:
    model = scrambled(DNN(make_embeddings(4), num_dense=2, deep_layers=(8,), powers=True, generator=generator()))
    dense, embedded = torch.tensor([[4.0, -9.0]]), torch.randn(1, 2, 4, generator=generator(2))
    inputs = torch.cat([embedded.view(1, 8), torch.tensor([[4.0, -9, 16, -81, 2, -3]])], dim=1)
    torch.testing.assert_close(model.score(dense, embedded), model.deep(inputs)[:, 0])


def test_without_powers_and_numbers_it_reads_vectors_alone() -> None:
    model = DNN(make_embeddings(4), num_dense=0, deep_layers=(8,), powers=True, generator=generator())
    embedded = torch.randn(3, 2, 4, generator=generator(2))
    torch.testing.assert_close(model.score(torch.empty(3, 0), embedded), model.deep(embedded.view(3, 8))[:, 0])
