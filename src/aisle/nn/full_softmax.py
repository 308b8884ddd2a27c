"""The softmax over all items as a loss, fused with the product that makes its scores, which are never held whole.

For a catalogue of some thousand items it costs little more than sampling, and has nothing to tune or to correct.

Legend of shapes: B sequences, T places of each, N positions or lists, E targets of all lists, V items, D width. Inside,
B are the positions of a block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: Of so many positions scores are held at once, and so many scores: what stays in the cache.
_BLOCK, _BLOCK_SCORES = 1024, 1 << 22
#: Bounds the loss that is reported of a hopeless position; its gradient is not touched.
_LEAST_PROBABILITY = 1e-38


@dataclass(frozen=True)
class KnownItems:
    """What had been read at each position, itself included.

    Attributes:
        items_BT: Sequences of item rows, oldest first; -1 behind the last one.
        sequence_N: The sequence of each position.
        place_N: Its place there.
    """

    items_BT: Tensor
    sequence_N: Tensor
    place_N: Tensor

    @classmethod
    def at(cls, positions_BT: Tensor, items_BT: Tensor) -> KnownItems:
        """Of the positions that are true, in the order in which they pick from sequences."""
        sequence_N, place_N = positions_BT.nonzero(as_tuple=True)
        return cls(items_BT, sequence_N, place_N)

    @classmethod
    def shown(cls, positions_BT: Tensor, items_BT: Tensor, is_shown_BT: Tensor) -> KnownItems:
        """Of the same positions, where each has read the whole sequence, as far as it is shown.

        Args:
            positions_BT: Those that are true.
            items_BT: Sequences of item rows; -1 behind the last one.
            is_shown_BT: Where they may be read; of a sequence with such a position, at one or more.
        """
        is_shown_BT = is_shown_BT & (items_BT >= 0)
        sequence_N = positions_BT.nonzero(as_tuple=True)[0]
        if not is_shown_BT.any(1)[sequence_N].all():
            raise ValueError("expected sequences that show an item or more, received one that hides all")
        one_B1 = items_BT.gather(1, is_shown_BT.long().argmax(1, keepdim=True))
        last_N = torch.full_like(sequence_N, items_BT.shape[1] - 1)
        return cls(torch.where(is_shown_BT, items_BT, one_B1), sequence_N, last_N)

    def rows(self, block: slice) -> Tensor:
        """The item rows [N, T] of some positions, in any order, filled up by repeating one."""
        items_NT = self.items_BT[self.sequence_N[block]]
        places_T = torch.arange(items_NT.shape[1], device=items_NT.device)
        return torch.where(places_T <= self.place_N[block, None], items_NT, items_NT[:, :1])


@dataclass(frozen=True)
class TeacherQueries:
    """What a trained model makes of the same positions.

    Attributes:
        queries_ND: Of each position, divided by the teacher's temperature.
        items_VD: Of all items.
    """

    queries_ND: Tensor
    items_VD: Tensor


@dataclass(frozen=True)
class Teachers:
    """Trained models whose mean probabilities are told in part.

    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015 (temperature 1).

    Attributes:
        members: What each makes of the positions.
        weight: The part of the cross-entropy against them; that of the targets is the rest.
    """

    members: Sequence[TeacherQueries]
    weight: float


@dataclass(frozen=True)
class _Sought:
    """What is sought, and how it is told from other items; see :func:`full_softmax` and the one of lists."""

    targets_E: Tensor
    starts_N1: Tensor
    temperature: float
    known: KnownItems | None = None
    teachers: Teachers | None = None


def full_softmax(
    queries_ND: Tensor,
    items_VD: Tensor,
    targets_N: Tensor,
    temperature: float = 1.0,
    known: KnownItems | None = None,
    teachers: Teachers | None = None,
) -> Tensor:
    """The mean of -log softmax over all items, a scalar.

    Scores are never held whole: the gradient is made with them, block by block, which also spares the backward pass a
    second product.

    Args:
        queries_ND: Of each position.
        items_VD: Of all items.
        targets_N: The item row that came next at each position.
        temperature: Scores are divided by it.
        known: Items that the softmax of each position leaves out, but for its target; missing: none.
        teachers: Whose probabilities, of the items that are not left out, are told beside the targets; missing: none's.
    """
    starts_N1 = torch.arange(len(targets_N) + 1)
    return _full_softmax(queries_ND, items_VD, _Sought(targets_N, starts_N1, temperature, known, teachers))


def full_softmax_of_lists(
    queries_ND: Tensor, items_VD: Tensor, targets_E: Tensor, starts_N1: Tensor, temperature: float = 1.0
) -> Tensor:
    """The same where a query has several targets: the mean over all targets of -log softmax over all items.

    Each query is scored once, however many targets it has.

    Args:
        queries_ND: Of each list.
        items_VD: Of all items.
        targets_E: The item rows of all lists, one list after the other.
        starts_N1: Where each list starts, from 0, and behind the last their number E.
        temperature: Scores are divided by it.
    """
    return _full_softmax(queries_ND, items_VD, _Sought(targets_E, starts_N1, temperature))


def _full_softmax(queries_ND: Tensor, items_VD: Tensor, sought: _Sought) -> Tensor:
    loss: Tensor = _FullSoftmax.apply(queries_ND, items_VD, sought)  # type: ignore[no-untyped-call]
    return loss


class _FullSoftmax(torch.autograd.Function):
    """Softmax cross-entropy fused with the product that makes its scores.

    Products are made in the precision of autocast where that is on; gradients are summed in float32.
    """

    @staticmethod
    def forward(ctx: Any, queries_ND: Tensor, items_VD: Tensor, sought: _Sought) -> Tensor:
        """The loss; both gradients are kept for the backward pass."""
        device = queries_ND.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        with torch.autocast(device, enabled=False):
            return _FullSoftmax._fused(ctx, queries_ND, items_VD, sought, dtype)

    @staticmethod
    def _fused(ctx: Any, queries_ND: Tensor, items_VD: Tensor, sought: _Sought, dtype: torch.dtype) -> Tensor:
        scaled_ND, rows_VD = (queries_ND / sought.temperature).to(dtype), items_VD.to(dtype)
        columns_DV = rows_VD.T.contiguous()
        queries_gradient_ND = torch.empty_like(queries_ND, dtype=torch.float32)
        items_gradient_VD = torch.zeros_like(items_VD, dtype=torch.float32)
        total = torch.zeros((), device=queries_ND.device)
        height = max(1, min(_BLOCK, _BLOCK_SCORES // len(items_VD)))
        for start in range(0, len(queries_ND), height):
            block = slice(start, start + height)
            starts_B1 = sought.starts_N1[start : start + height + 1]
            sizes_B = starts_B1.diff()
            of_targets = torch.repeat_interleave(sizes_B), sought.targets_E[starts_B1[0] : starts_B1[-1]]
            known_BT = None if sought.known is None else sought.known.rows(block)
            gradient_BV = _probabilities(scaled_ND[block] @ columns_DV, known_BT, of_targets)
            told = _log(gradient_BV[of_targets]).sum()
            weight = 1.0
            if sought.teachers is not None:
                weight -= sought.teachers.weight
                expected_BV = _expected(sought.teachers, block, known_BT, of_targets, dtype)
                told = weight * told + (1 - weight) * (expected_BV * _log(gradient_BV)).sum()
                gradient_BV.sub_(expected_BV, alpha=1 - weight)
            total -= told
            # A target's gradient: as a list has `size` of them, all of its row is made a `size`th and weighed below.
            shares_E = -weight * sizes_B.to(gradient_BV.dtype).reciprocal()[of_targets[0]]
            gradient_BV.index_put_(of_targets, shares_E, accumulate=True)
            queries_gradient_ND[block] = (gradient_BV @ rows_VD) * sizes_B[:, None]
            items_gradient_VD += gradient_BV.T @ (scaled_ND[block] * sizes_B[:, None])
        count = len(sought.targets_E)
        ctx.save_for_backward(queries_gradient_ND / (count * sought.temperature), items_gradient_VD / count)
        return total / count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """The kept gradients, times that of the loss."""
        queries_gradient_ND, items_gradient_VD = ctx.saved_tensors
        return gradients[0] * queries_gradient_ND, gradients[0] * items_gradient_VD, None


def _probabilities(scores_BV: Tensor, known_BT: Tensor | None, of_targets: tuple[Tensor, Tensor]) -> Tensor:
    """The softmax of scores, which are changed, without known items; the targets stay."""
    if known_BT is not None:
        target_scores = scores_BV[of_targets]
        scores_BV.scatter_(1, known_BT, -math.inf).index_put_(of_targets, target_scores)
    return torch.softmax(scores_BV, 1)


def _expected(
    teachers: Teachers,
    block: slice,
    known_BT: Tensor | None,
    of_targets: tuple[Tensor, Tensor],
    dtype: torch.dtype,
) -> Tensor:
    """The mean of the teachers' probabilities [B, V]."""
    total: Tensor | None = None
    for one in teachers.members:
        scores_BV = one.queries_ND[block].to(dtype) @ one.items_VD.T.to(dtype)
        own_BV = _probabilities(scores_BV, known_BT, of_targets)
        total = own_BV if total is None else total.add_(own_BV)
    assert total is not None, "there is a teacher"
    return total.div_(len(teachers.members))


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.float().clamp(min=_LEAST_PROBABILITY).log()
