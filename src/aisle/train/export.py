"""Exports a ranker into a bundle: the scoring half as an ONNX graph, the tables as plain arrays.

Legend of shapes: K candidates, N dense features, F embedded features, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.bundle import BundleWriter
from aisle.models import Ranker
from aisle.pipeline.calibration import Calibrator, PlattCalibrator
from aisle.pipeline.onnx_ranker import (
    CALIBRATOR_FILE,
    DENSE_INPUT,
    DOCUMENT_FILE,
    EMBEDDED_INPUT,
    GRAPH_FILE,
    LOGITS_OUTPUT,
    TABLES_FOLDER,
)
from aisle.train.onnx_export import OPSET, export_onnx


def export_ranker(
    ranker: Ranker,
    writer: BundleWriter,
    *,
    dense_names: Sequence[str],
    calibrator: Calibrator | None = None,
) -> None:
    """Write ``ranker/`` of a bundle, which :class:`aisle.pipeline.onnx_ranker.OnnxRanker` loads.

    Args:
        ranker: The trained model.
        writer: Of the bundle.
        dense_names: The N columns of dense features, in order.
        calibrator: Logits to probabilities; missing: the ranker's own.
    """
    if len(dense_names) != ranker.num_dense:
        raise ValueError(f"expected {ranker.num_dense} names of dense features, received {len(dense_names)}")
    writer.write_bytes(GRAPH_FILE, export_graph(ranker))
    embeddings = ranker.embeddings.serving_half().save(writer, TABLES_FOLDER)
    writer.write_json(DOCUMENT_FILE, {"dense": list(dense_names), "embeddings": embeddings, "opset": OPSET})
    writer.write_json(CALIBRATOR_FILE, (calibrator or PlattCalibrator()).as_json())


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
