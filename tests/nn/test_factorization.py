"""Sums over pairs against the double loops that define them."""

from __future__ import annotations

import torch

from aisle.nn.factorization import BiInteraction, WeightedPairs
from tests.rankers import generator

PAIRS = [(i, j) for i in range(6) for j in range(i + 1, 6)]


def test_the_identity_equals_the_double_sum() -> None:
    fields = torch.randn(5, 6, 3, generator=generator(), dtype=torch.float64)
    expected = sum(fields[:, i] * fields[:, j] for i, j in PAIRS)
    torch.testing.assert_close(BiInteraction()(fields), expected, rtol=1e-12, atol=1e-12)


def test_pooled_worked_by_hand() -> None:
    fields = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, -1.0]]])
    # 1*3 + 1*5 + 3*5 and 2*4 - 2*1 - 4*1
    assert BiInteraction()(fields).tolist() == [[23.0, 2.0]]


def test_weighted_pairs_equal_the_double_sum() -> None:
    pairs = WeightedPairs(6)
    fields = torch.randn(5, 6, 3, generator=generator())
    plain = BiInteraction()(fields).sum(dim=1)
    torch.testing.assert_close(pairs(fields), plain, msg="weights of 1 are a factorization machine")
    with torch.no_grad():
        pairs.weight_P.copy_(torch.arange(15.0))
    expected = torch.stack([n * (fields[:, i] * fields[:, j]).sum(dim=1) for n, (i, j) in enumerate(PAIRS)]).sum(dim=0)
    torch.testing.assert_close(pairs(fields), expected, rtol=1e-5, atol=1e-4)
