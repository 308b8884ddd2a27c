"""Exports a model that reads a history once for each candidate: its network as an ONNX graph, item vectors as arrays.

Legend of shapes: T places, K candidates, D width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from aisle.models.sequential.candidate_model import CandidateModel
from aisle.pipeline.candidate_scorer import (
    CANDIDATES_INPUT,
    HISTORY_INPUT,
    SCORES_OUTPUT,
    SIZE_INPUT,
    CandidateScorer,
)
from aisle.train.onnx_export import export_onnx


def export_candidate_model(model: CandidateModel) -> CandidateScorer:
    """The model as it serves, without torch."""
    model.eval()
    dim, max_length = model.items.shape[1], model.max_length
    length = max_length if model.has_fixed_length else min(3, max_length)
    of_history = {} if model.has_fixed_length else {0: torch.export.Dim("length", min=2, max=max_length)}
    graph = export_onnx(
        _OneHistory(model),
        (torch.zeros(length, dim), torch.tensor([2]), torch.zeros(4, dim)),
        input_names=[HISTORY_INPUT, SIZE_INPUT, CANDIDATES_INPUT],
        output_name=SCORES_OUTPUT,
        dynamic_shapes=(of_history, {}, {0: torch.export.Dim("candidates", min=2)}),
    )
    return CandidateScorer(graph, np.ascontiguousarray(model.items.detach().numpy().copy()), max_length)


class _OneHistory(nn.Module):
    """The scores of candidates behind one history."""

    def __init__(self, model: CandidateModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, history_TD: Tensor, size_1: Tensor, candidates_KD: Tensor) -> Tensor:
        return self.model.score(history_TD[None], size_1, candidates_KD[None]).squeeze(0)
