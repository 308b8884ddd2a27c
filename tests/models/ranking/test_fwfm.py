"""FwFM: a factorization machine at first, then one whose pairs differ."""

from __future__ import annotations

import torch

from aisle.models.ranking import FM, FwFM
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def test_it_starts_as_a_factorization_machine() -> None:
    model, machine = (cls(make_embeddings(5), num_dense=3, generator=generator()) for cls in (FwFM, FM))
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 5, generator=generator(2))
    torch.testing.assert_close(model.score(dense, embedded), machine.score(dense, embedded))


def test_each_pair_has_its_weight() -> None:
    model = scrambled(FwFM(make_embeddings(5), num_dense=3, generator=generator()))
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 5, generator=generator(2))
    fields = model.fields(dense, embedded[:, :, :4])
    expected = model.first_order(dense, embedded[:, :, 4])
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    for weight, (i, j) in zip(model.interaction.weight_P, pairs, strict=True):
        expected = expected + weight * (fields[:, i] * fields[:, j]).sum(dim=1)
    torch.testing.assert_close(model.score(dense, embedded), expected)
