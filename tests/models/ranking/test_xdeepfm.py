"""xDeepFM: three parts, added."""

from __future__ import annotations

import torch

from aisle.models.ranking import XDeepFM
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def test_the_score_is_the_sum_of_three_parts() -> None:
    model = scrambled(
        XDeepFM(make_embeddings(5), num_dense=3, cin_layers=(4, 2), deep_layers=(8,), generator=generator())
    )
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 5, generator=generator(2))
    fields = model.fields(dense, embedded[:, :, :4])
    linear = embedded[:, :, 4].sum(dim=1) + dense @ model.first_order.weight_N + model.first_order.bias
    explicit = model.interaction_logit(model.interaction(fields))[:, 0]
    torch.testing.assert_close(model.score(dense, embedded), linear + explicit + model.deep(fields.flatten(1))[:, 0])
