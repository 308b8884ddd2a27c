"""DLRM with attention: the pooled products in place of the dot products, or beside them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from aisle.models.ranking import AttentionDLRM
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def _make(attention: Any, num_dense: int = 3) -> AttentionDLRM:
    return scrambled(
        AttentionDLRM(
            make_embeddings(4),
            num_dense=num_dense,
            dense_layers=(8,),
            over_layers=(6,),
            attention=attention,
            attention_size=5,
            generator=generator(),
        )
    )


@pytest.mark.parametrize("attention", ["replace", "beside"])
def test_the_score_from_its_parts(attention: str) -> None:
    model = _make(attention)
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 4, generator=generator(2))
    query = model.dense_arch(dense)
    vectors = torch.cat([query[:, None], embedded], dim=1)
    parts = [query, model.pooling(vectors)]
    if attention == "beside":
        parts += [(vectors[:, i] * vectors[:, j]).sum(dim=1, keepdim=True) for i, j in ((1, 0), (2, 0), (2, 1))]
    torch.testing.assert_close(model.score(dense, embedded), model.over_arch(torch.cat(parts, dim=1))[:, 0])


def test_what_it_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="replace or beside, received 3 and 'instead'"):
        _make("instead")
    with pytest.raises(ValueError, match="at least one dense feature"):
        _make("replace", 0)
