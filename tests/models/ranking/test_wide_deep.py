"""Wide & Deep: a linear part and an MLP, added."""

from __future__ import annotations

import torch

from aisle.models.ranking import WideDeep
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def test_the_score_is_the_sum_of_both_parts() -> None:
    model = scrambled(WideDeep(make_embeddings(5), num_dense=3, deep_layers=(8,), generator=generator()))
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 5, generator=generator(2))
    wide = embedded[:, :, 4].sum(dim=1) + dense @ model.first_order.weight_N + model.first_order.bias
    deep = model.deep(torch.cat([embedded[:, :, :4].reshape(4, 8), dense], dim=1))[:, 0]
    torch.testing.assert_close(model.score(dense, embedded), wide + deep)
