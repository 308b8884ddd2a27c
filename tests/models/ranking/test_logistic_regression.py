"""Logistic regression finds the weights that made its data."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from aisle.models import Ranker
from aisle.models.ranking import LogisticRegression
from aisle.nn.sparse import SparseFeatures
from aisle.train.engine.loop import train_ranker
from aisle.train.engine.loop_settings import LoopSettings
from aisle.train.export import export_graph
from tests.rankers import make_embeddings, make_logistic_regression, make_rows


def test_it_adds_the_weights() -> None:
    model = make_logistic_regression()
    with torch.no_grad():
        model.weight_N.copy_(torch.tensor([1.0, 2.0, 3.0]))
        model.bias.fill_(0.5)
        model.embeddings.rows_of("t0")[4] = 10.0
        model.embeddings.rows_of("t1")[2] = 100.0
    logits = model(torch.tensor([[1.0, 1.0, -1.0]]), SparseFeatures(torch.tensor([[4, 2]])))
    assert isinstance(model, Ranker)
    assert logits.tolist() == [1 + 2 - 3 + 0.5 + 10 + 100]


def test_it_finds_planted_weights() -> None:
    model = make_logistic_regression()
    settings = LoopSettings(batch_size=500, num_epochs=20, learning_rate=0.03, weight_decay=0.0)
    train_ranker(model, make_rows(20_000), None, settings)
    weights = model.weight_N.detach().numpy()
    np.testing.assert_allclose(weights, [2, 0, 0], atol=0.1)
    ids = model.embeddings.rows_of("t0")[2:, 0].numpy()
    assert abs(ids[0::2].mean() - ids[1::2].mean() - 1.5) < 0.15


def test_wide_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="width 1"):
        LogisticRegression(make_embeddings(2), num_dense=1)


def test_without_numbers_its_graph_has_no_empty_product() -> None:
    """ONNX Runtime leaves the result of a product over nothing unset: whatever the memory held."""
    graph = onnx.load_from_string(export_graph(LogisticRegression(make_embeddings(1), num_dense=0))).graph
    assert {"MatMul", "Gemm"}.isdisjoint(node.op_type for node in graph.node)
    assert len(graph.input) == 2
