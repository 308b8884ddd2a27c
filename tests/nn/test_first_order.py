"""First order terms worked by hand, and how they start."""

from __future__ import annotations

import pytest
import torch

from aisle.nn.first_order import FirstOrder, split_first_order, start_first_order
from tests.rankers import generator, make_embeddings


def test_weights_and_values_add_up() -> None:
    linear = FirstOrder(2)
    dense, weights = torch.tensor([[1.0, 2.0]]), torch.tensor([[10.0, 20.0]])
    assert linear(dense, weights).tolist() == [30.0], "nothing is known of numbers at first"
    with torch.no_grad():
        linear.weight_N.copy_(torch.tensor([0.5, 0.25]))  # type: ignore[union-attr]
        linear.bias.fill_(100.0)
    assert linear(dense, weights).tolist() == [131.0]
    assert FirstOrder(2, numeric="none")(dense, weights).tolist() == [30.0]


def test_the_last_number_is_the_weight() -> None:
    vectors, weights = split_first_order(torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]))
    assert vectors.tolist() == [[[1, 2], [4, 5]]]
    assert weights.tolist() == [[3, 6]]


def test_vectors_start_small_and_weights_at_nothing() -> None:
    embeddings = make_embeddings(9)
    assert start_first_order(embeddings, generator=generator()) == 8
    rows = torch.cat([embeddings.rows_of("t0"), embeddings.rows_of("t1")])
    assert rows[:, 8].eq(0).all()
    assert float(rows[:, :8].std()) == pytest.approx(0.01, rel=0.2)
    with pytest.raises(ValueError, match="width 2 or more"):
        start_first_order(make_embeddings(1), generator=generator())
