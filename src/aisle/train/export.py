"""Exports a ranker for serving: the scoring half as an ONNX graph, the tables as plain arrays.

Legend of shapes: K candidates, N dense features, F embedded features, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.models import Ranker
from aisle.pipeline.calibration import Calibrator, PlattCalibrator
from aisle.pipeline.onnx_ranker import DENSE_INPUT, EMBEDDED_INPUT, LOGITS_OUTPUT, OnnxRanker
from aisle.train.onnx_export import export_onnx


def export_ranker(ranker: Ranker, *, dense_names: Sequence[str], calibrator: Calibrator | None = None) -> OnnxRanker:
    """The ranker as it serves, without torch.

    Args:
        ranker: The trained model.
        dense_names: The N columns of dense features, in order.
        calibrator: Logits to probabilities; missing: the ranker's own.
    """
    if len(dense_names) != ranker.num_dense:
        raise ValueError(f"expected {ranker.num_dense} names of dense features, received {len(dense_names)}")
    embeddings = ranker.embeddings.serving_half()
    return OnnxRanker(export_graph(ranker), embeddings, dense_names, calibrator or PlattCalibrator())


def export_graph(ranker: Ranker) -> bytes:
    """The scoring half as ONNX: ``dense`` [K, N] and ``embedded`` [K, F, D] to ``logits`` [K], for any K >= 1."""
    dense_KN = torch.zeros(3, ranker.num_dense)
    embedded_KFD = torch.zeros(3, ranker.embeddings.num_features, ranker.embeddings.embedding_dim)
    return export_onnx(
        _Score(ranker),
        (dense_KN, embedded_KFD),
        input_names=[DENSE_INPUT, EMBEDDED_INPUT],
        output_name=LOGITS_OUTPUT,
        batch_name="candidates",
    )


class _Score(nn.Module):
    """The scoring half as a module of its own, as the exporter wants it."""

    def __init__(self, ranker: Ranker) -> None:
        super().__init__()
        self.ranker = ranker

    def forward(self, dense_KN: Tensor, embedded_KFD: Tensor) -> Tensor:
        return self.ranker.score(dense_KN, embedded_KFD)
