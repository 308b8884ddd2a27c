"""FinalMLP: gates, two streams, and their fusion."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from aisle.models.ranking import FinalMLP
from aisle.models.ranking.finalmlp import BilinearFusion
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def _make(**fields: Any) -> FinalMLP:
    fields = {"streams": ((8, 4), (6,)), "num_heads": 2, "gate_layers": (5,)} | fields
    return scrambled(FinalMLP(make_embeddings(4), num_dense=3, generator=generator(), **fields))


def test_the_fusion_is_linear_in_both_and_bilinear_head_by_head() -> None:
    fusion = BilinearFusion(4, 6, 2, generator=generator())
    first, second = torch.randn(3, 4, generator=generator(1)), torch.randn(3, 6, generator=generator(2))
    expected = fusion.linear(torch.cat([first, second], dim=1))[:, 0]
    for head in range(2):
        left, right = first[:, head * 2 : head * 2 + 2], second[:, head * 3 : head * 3 + 3]
        expected = expected + torch.einsum("bu,uv,bv->b", left, fusion.weight_HUV[head], right)
    torch.testing.assert_close(fusion(first, second), expected)


def test_the_score_from_its_parts() -> None:
    model = _make(contexts=(("f1",), ()))
    dense, embedded = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 2, 4, generator=generator(2))
    inputs = model.fields(dense, embedded).flatten(1)
    one = 2 * torch.sigmoid(model.gates[0].layers(embedded[:, 1]))
    other = 2 * torch.sigmoid(model.gates[1].layers(model.gates[1].context_D))
    expected = model.fusion(model.streams[0](inputs * one), model.streams[1](inputs * other))
    torch.testing.assert_close(model.score(dense, embedded), expected)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"contexts": (("f9",), ())}, "expected some of f0, f1, received f9"),
        ({"streams": ((8,),)}, "of two streams, received 1 and 2"),
        ({"streams": ((8,), (7,))}, "a multiple of 2 heads, received .8, 7."),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _make(**fields)
