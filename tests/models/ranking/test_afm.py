"""AFM: first order terms and a weighting of the pooled products."""

from __future__ import annotations

import torch

from aisle.models.ranking import AFM
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def test_the_score_from_its_parts() -> None:
    model = scrambled(AFM(make_embeddings(5), num_dense=3, attention_size=6, dropout=0.5, generator=generator())).eval()
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 5, generator=generator(2))
    pooled = model.interaction(
        torch.cat([embedded[:, :, :4], dense[:, :, None] * model.fields.numeric.vector_ND], dim=1)
    )
    first_order = embedded[:, :, 4].sum(dim=1) + dense @ model.first_order.weight_N + model.first_order.bias
    expected = first_order + (pooled * model.logit.weight).sum(dim=1) + model.logit.bias
    torch.testing.assert_close(model.score(dense, embedded), expected)


def test_its_size_is_that_of_the_paper_s_parts() -> None:
    model = AFM(make_embeddings(5), num_dense=3, attention_size=6, generator=generator())
    inputs, attention = (12 + 7 + 3) * 5 + 1, (4 * 6 + 6) + 6
    assert sum(parameter.numel() for parameter in model.parameters()) == inputs + attention + 4 + 1
