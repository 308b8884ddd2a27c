"""Exports a model of sequences for serving: its encoder as an ONNX graph, item vectors as plain arrays.

Legend of shapes: B histories, T positions, D width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from aisle.models.sequential.sequence_model import SequenceModel
from aisle.pipeline.sequence_encoder import EMBEDDED_INPUT, LAST_INPUT, QUERIES_OUTPUT, SequenceEncoder
from aisle.train.onnx_export import export_onnx


def export_encoder(model: SequenceModel, max_length: int) -> SequenceEncoder:
    """The model as it serves, without torch."""
    model.eval()
    dim = model.items.shape[1]
    histories = torch.export.Dim("histories", min=1)
    length = torch.export.Dim("length", min=2, max=max_length)
    graph = export_onnx(
        _LastQuery(model),
        (torch.zeros(3, 4, dim), torch.tensor([3, 1, 2])),
        input_names=[EMBEDDED_INPUT, LAST_INPUT],
        output_name=QUERIES_OUTPUT,
        dynamic_shapes=({0: histories, 1: length}, {0: histories}),
    )
    with torch.no_grad():
        inputs_VD, vectors_VD = model.items.numpy().copy(), model.item_vectors().numpy().copy()
    return SequenceEncoder(graph, np.ascontiguousarray(inputs_VD), np.ascontiguousarray(vectors_VD), max_length)


class _LastQuery(nn.Module):
    """The query of each history's last position."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, embedded_BTD: Tensor, last_B: Tensor) -> Tensor:
        return self.model.last_queries(embedded_BTD, last_B)
