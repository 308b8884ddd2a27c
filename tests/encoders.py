"""Small sequence encoders whose answers are known: what is expected next is like the last item."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from aisle.models.sequential.candidate_model import CandidateModel
from aisle.models.sequential.sequence_model import SequenceModel
from aisle.nn.sequences.places import at_places
from aisle.pipeline.candidate_scorer import CandidateScorer
from aisle.pipeline.sequence_encoder import SequenceEncoder
from aisle.train.lists.candidate_export import export_candidate_model
from aisle.train.lists.encoder_export import export_encoder

MAX_LENGTH = 8


class _LikeTheLast(nn.Module):
    """What stands at a position is what is expected there."""

    def forward(self, embedded_BTD: Tensor, is_item_BT: Tensor) -> Tensor:
        return embedded_BTD * is_item_BT[:, :, None]


@functools.cache
def _exported() -> SequenceEncoder:
    generator = torch.Generator().manual_seed(0)
    return export_encoder(SequenceModel(2, 2, _LikeTheLast(), normalize=True, generator=generator), MAX_LENGTH)


def like_the_last(vectors: Sequence[tuple[float, float]]) -> SequenceEncoder:
    """Items with these vectors of length 1 or 0 from row 0 on; the query is the vector of a history's last item."""
    vectors_VE = np.array(vectors, np.float32)
    return SequenceEncoder(_exported().graph, vectors_VE, vectors_VE, MAX_LENGTH)


class _ProductWithLast(CandidateModel):
    """A candidate's score is its product with the last item of the history."""

    def score(self, history_BTD: Tensor, sizes_B: Tensor, candidate_BKD: Tensor) -> Tensor:
        return (candidate_BKD * at_places(history_BTD, sizes_B - 1)[:, None]).sum(dim=2)

    def interest(self, candidate_BKD: Tensor, history_BTD: Tensor, back_BT: Tensor) -> Tensor:
        raise NotImplementedError


@functools.cache
def _exported_scorer() -> CandidateScorer:
    generator = torch.Generator().manual_seed(0)
    return export_candidate_model(
        _ProductWithLast(2, 2, max_length=MAX_LENGTH, hidden=[], dropout=0, generator=generator)
    )


def by_candidate_like_the_last(vectors: Sequence[tuple[float, float]]) -> CandidateScorer:
    """The same scores as those of :func:`like_the_last`, the history read anew for each candidate."""
    return CandidateScorer(_exported_scorer().graph, np.array(vectors, np.float32), MAX_LENGTH)
