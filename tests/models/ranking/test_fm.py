"""FM: the score against the double sum of the paper's equation 1."""

from __future__ import annotations

import torch

from aisle.models.ranking import FM
from aisle.nn.sparse import SparseFeatures
from tests.contracts.rankers import scrambled
from tests.rankers import generator, make_embeddings


def test_the_score_is_the_double_sum_over_inputs() -> None:
    """An id is an input with the value 1; a number one with its own."""
    model = scrambled(FM(make_embeddings(5), num_dense=3, generator=generator())).double()
    dense, ids = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64), torch.tensor([[3, 4]])
    rows = [model.embeddings.rows_of("t0")[3], model.embeddings.rows_of("t1")[4]]
    values = [1.0, 1.0, *dense[0].tolist()]
    weights = [rows[0][4], rows[1][4], *model.first_order.weight_N]
    vectors = [rows[0][:4], rows[1][:4], *model.fields.numeric.vector_ND]
    expected = model.first_order.bias + sum(w * x for w, x in zip(weights, values, strict=True))
    for i in range(5):
        for j in range(i + 1, 5):
            expected = expected + (vectors[i] @ vectors[j]) * values[i] * values[j]
    torch.testing.assert_close(model(dense, SparseFeatures(ids)), expected[None], rtol=1e-10, atol=1e-10)


def test_it_has_a_vector_and_a_weight_per_input() -> None:
    model = FM(make_embeddings(FM.table_width(4)), num_dense=3, generator=generator())
    assert sum(parameter.numel() for parameter in model.parameters()) == (12 + 7 + 3) * (4 + 1) + 1
