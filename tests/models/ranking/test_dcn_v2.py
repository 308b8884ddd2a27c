"""DCN v2: where the deep part stands, and its size."""

from __future__ import annotations

import pytest
import torch

from aisle.models.ranking import DCNv2
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings

INPUTS = 2 * 4 + 3


def _make(**fields: object) -> DCNv2:
    fields = {"cross_layers": 2, "deep_layers": (8,)} | fields
    return DCNv2(make_embeddings(4), num_dense=3, generator=generator(), **fields)  # type: ignore[arg-type]


def _parameters(model: DCNv2) -> int:
    return sum(parameter.numel() for parameter in model.parameters()) - (12 + 7) * 4


def test_the_number_of_parameters_is_that_of_the_paper_s_parts() -> None:
    cross, deep = 2 * (INPUTS * INPUTS + INPUTS), INPUTS * 8 + 8
    assert _parameters(_make(structure="stacked")) == cross + deep + 8 + 1
    assert _parameters(_make()) == cross + deep + INPUTS + 8 + 1
    # An expert: V and U of rank 3, C, and a gate; each layer's V has a bias per rank and expert, U one for all.
    low = 2 * (5 * (2 * INPUTS * 3 + 3 * 3 + 3 + INPUTS + 1) + INPUTS)
    assert _parameters(_make(rank=3, num_experts=5)) == low + deep + INPUTS + 8 + 1


def test_stacked_and_parallel_worked_from_their_parts() -> None:
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 4, generator=generator(2))
    inputs = torch.cat([embedded.reshape(4, 8), dense], dim=1)
    stacked, parallel = scrambled(_make(structure="stacked")), scrambled(_make())
    expected = stacked.logit(stacked.deep(stacked.cross(inputs)))[:, 0]
    torch.testing.assert_close(stacked.score(dense, embedded), expected)
    expected = parallel.logit(torch.cat([parallel.cross(inputs), parallel.deep(inputs)], dim=1))[:, 0]
    torch.testing.assert_close(parallel.score(dense, embedded), expected)


@pytest.mark.parametrize("fields", [{"structure": "below"}, {"cross_layers": 0}, {"deep_layers": ()}])
def test_what_it_cannot_be_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected the structure stacked or parallel, a cross layer and a deep layer"):
        _make(**fields)
