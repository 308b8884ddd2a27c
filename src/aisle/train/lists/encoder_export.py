"""Exports a model of sequences for serving: its encoder as an ONNX graph, item vectors as plain arrays.

Legend of shapes: B histories, T positions, D width.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aisle.models.sequential.sequence_model import SequenceModel
from aisle.pipeline.sequence_encoder import (
    EMBEDDED_INPUT,
    LAST_INPUT,
    QUERIES_OUTPUT,
    TIMES_INPUT,
    EventVectors,
    SequenceEncoder,
)
from aisle.train.onnx_export import export_onnx


def export_encoder(model: SequenceModel, max_length: int) -> SequenceEncoder:
    """The model as it serves, without torch."""
    model.eval()
    dim = model.items.shape[1]
    histories = torch.export.Dim("histories", min=1)
    length = torch.export.Dim("length", min=2, max=max_length)
    side = model.side
    inputs: tuple[Tensor, ...] = (torch.zeros(3, 4, dim), torch.tensor([3, 1, 2]))
    names, shapes = [EMBEDDED_INPUT, LAST_INPUT], [{0: histories, 1: length}, {0: histories}]
    if side is not None and side.reads_times:
        inputs, names = (*inputs, torch.zeros(3, 4, dtype=torch.int64)), [*names, TIMES_INPUT]
        shapes.append({0: histories, 1: length})
    graph = export_onnx(
        _LastQuery(model), inputs, input_names=names, output_name=QUERIES_OUTPUT, dynamic_shapes=tuple(shapes)
    )
    with torch.no_grad():
        inputs_VD, vectors_VD = _array(model.read_vectors()), _array(model.item_vectors())
        events = None if side is None else EventVectors(_optional(side.actions), _optional(side.gaps))
    return SequenceEncoder(graph, inputs_VD, vectors_VD, max_length, events)


def _optional(vectors: Tensor | None) -> NDArray[np.float32] | None:
    return None if vectors is None else _array(vectors)


def _array(vectors: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(vectors.numpy().copy())


class _LastQuery(nn.Module):
    """The query of each history's last position."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, embedded_BTD: Tensor, last_B: Tensor, times_BT: Tensor | None = None) -> Tensor:
        return self.model.last_queries(embedded_BTD, last_B, times_BT)
