"""AutoInt: layers of attention, and an MLP where it is AutoInt+."""

from __future__ import annotations

import pytest
import torch

from aisle.models.ranking import AutoInt
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def test_the_score_from_its_parts() -> None:
    model = scrambled(
        AutoInt(
            make_embeddings(4),
            num_dense=3,
            attention_layers=2,
            head_size=3,
            deep_layers=(8,),
            numeric="linear",
            generator=generator(),
        )
    )
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 4, generator=generator(2))
    attended = model.attention[1](model.attention[0](embedded))
    assert attended.shape == (4, 2, 6)
    expected = model.logit(torch.cat([attended.flatten(1), dense], dim=1))
    expected = expected + model.deep(torch.cat([embedded.flatten(1), dense], dim=1))
    torch.testing.assert_close(model.score(dense, embedded), expected[:, 0])


def test_without_a_layer_it_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one attention layer"):
        AutoInt(make_embeddings(4), num_dense=3, attention_layers=0, generator=generator())
