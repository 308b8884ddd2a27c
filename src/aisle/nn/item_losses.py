"""Losses of models that score items at many positions: how far each target stands above negatives.

Each takes queries, the vectors of items, and the rows of targets; scores are inner products over a temperature.
Negatives are shared by all positions of a batch: one matrix product scores them, where negatives drawn for each
position by itself would cost a gathered row each. A negative that is a position's own target does not count there.
They are drawn, or come from the batch itself (:mod:`aisle.nn.in_batch_negatives`).

The softmax over all items, which needs none, is :mod:`aisle.nn.full_softmax`.

Legend of shapes: N positions, V items, S shared negatives, H hard ones of a position, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

LossKind = Literal["softmax", "bce", "gbce", "bpr", "bpr-max", "top1-max"]


def sampled_loss(
    kind: LossKind,
    queries_ND: Tensor,
    items_VD: Tensor,
    targets_N: Tensor,
    negatives_S: Tensor,
    *,
    temperature: float = 1.0,
    log_expected_S: Tensor | None = None,
    is_negative_NS: Tensor | None = None,
    calibration: float = 0.75,
    hard: int = 0,
    num_items: int | None = None,
) -> Tensor:
    """The mean loss of the positions against shared negatives, a scalar.

    Args:
        kind: See the functions of :data:`SAMPLED_LOSSES`.
        queries_ND: Of each position.
        items_VD: Of all items.
        targets_N: The item row that came next at each position.
        negatives_S: Item rows.
        temperature: Scores are divided by it.
        log_expected_S: Of the softmax: the log of how often each item is expected among the negatives, which is taken
            from its score (the logQ correction); missing: none.
        is_negative_NS: Which negatives count at a position, its own target never does; missing: all others.
        calibration: Of gBCE: 1 undoes all overconfidence that sampling brings, 0 none.
        hard: Of the negatives of a position, which are distinct then, only so many count: the highest scoring ones; 0:
            all. Neither gBCE nor the logQ correction knows how often such a negative is met.
        num_items: How many items negatives are drawn from, where ``items_VD`` holds but some of them; missing: V.

    Raises:
        ValueError: ``hard`` with gBCE, or with the logQ correction.
    """
    return loss_of_scores(
        kind,
        (queries_ND * items_VD[targets_N]).sum(1) / temperature,
        (queries_ND @ items_VD[negatives_S].T) / temperature,
        targets_N,
        negatives_S,
        num_items=num_items or len(items_VD),
        log_expected_S=log_expected_S,
        is_negative_NS=is_negative_NS,
        calibration=calibration,
        hard=hard,
    )


def loss_of_scores(
    kind: LossKind,
    positive_N: Tensor,
    negative_NS: Tensor,
    targets_N: Tensor,
    negatives_S: Tensor,
    *,
    num_items: int,
    log_expected_S: Tensor | None = None,
    is_negative_NS: Tensor | None = None,
    calibration: float = 0.75,
    hard: int = 0,
) -> Tensor:
    """The same of scores that were made otherwise, whatever their temperature; see :func:`sampled_loss`.

    Args:
        kind: See the functions of :data:`SAMPLED_LOSSES`.
        positive_N: Of the targets.
        negative_NS: Of the negatives.
        targets_N: The item row that came next at each position.
        negatives_S: Item rows.
        num_items: How many items negatives are drawn from.
        log_expected_S: See :func:`sampled_loss`, as all that follow.
        is_negative_NS: Which negatives count at a position.
        calibration: Of gBCE.
        hard: Of the negatives of a position only so many count.

    Raises:
        ValueError: ``hard`` with gBCE, or with the logQ correction.
    """
    if hard and (kind == "gbce" or log_expected_S is not None):
        what = "the logQ correction" if log_expected_S is not None else kind
        raise ValueError(
            f"hard: expected 0 with {what}, which corrects for negatives as they are drawn, received {hard}"
        )
    hits_NS = negatives_S == targets_N[:, None]
    if is_negative_NS is not None:
        hits_NS = hits_NS | ~is_negative_NS
    if hard:
        negative_NS, hits_NS = _hardest(negative_NS, hits_NS, hard)
    if kind == "softmax":
        if log_expected_S is not None:
            negative_NS = negative_NS - log_expected_S
        return _softmax(positive_N, negative_NS, hits_NS)
    if kind == "gbce":
        return _gbce(positive_N, negative_NS, hits_NS, len(negatives_S) / (num_items - 1), calibration)
    return SAMPLED_LOSSES[kind](positive_N, negative_NS, hits_NS)


def _hardest(negative_NS: Tensor, hits_NS: Tensor, hard: int) -> tuple[Tensor, Tensor]:
    """The highest scores of each position [N, H], and where even among them is what does not count.

    Source: Zhang et al., "Optimizing top-N collaborative filtering via dynamic negative item sampling", SIGIR 2013,
    where of some drawn negatives the highest scoring one counts.
    """
    ranked_NS = negative_NS.detach().masked_fill(hits_NS, -math.inf)
    columns_NH = ranked_NS.topk(min(hard, ranked_NS.shape[1]), sorted=False).indices
    return negative_NS.gather(1, columns_NH), hits_NS.gather(1, columns_NH)


def _softmax(positive_N: Tensor, negative_NS: Tensor, hits_NS: Tensor) -> Tensor:
    """-log softmax of the target among the negatives."""
    others_N = negative_NS.masked_fill(hits_NS, -math.inf).logsumexp(1)
    return functional.softplus(others_N - positive_N).mean()


def _bce(positive_N: Tensor, negative_NS: Tensor, hits_NS: Tensor) -> Tensor:
    """The target is 1, each negative 0; the negatives of a position together weigh as much as its target."""
    against_N = functional.softplus(negative_NS).masked_fill(hits_NS, 0).sum(1) / _counts(hits_NS)
    return (functional.softplus(-positive_N) + against_N).mean()


def _gbce(positive_N: Tensor, negative_NS: Tensor, hits_NS: Tensor, sampling_rate: float, calibration: float) -> Tensor:
    """BCE whose positive probability is raised to a power below 1, for negatives are but a sample.

    Source: Petrov and Macdonald, "gSASRec: reducing overconfidence in sequential recommendation trained with negative
    sampling", RecSys 2023.
    """
    rate = min(sampling_rate, 1.0)
    power = rate * (calibration * (1 - 1 / rate) + 1 / rate)
    against_N = functional.softplus(negative_NS).masked_fill(hits_NS, 0).sum(1)
    return (power * functional.softplus(-positive_N) + against_N).mean()


def _bpr(positive_N: Tensor, negative_NS: Tensor, hits_NS: Tensor) -> Tensor:
    """-log of the probability that the target stands above a negative, on average.

    Source: Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009.
    """
    gaps = functional.softplus(negative_NS - positive_N[:, None]).masked_fill(hits_NS, 0)
    return (gaps.sum(1) / _counts(hits_NS)).mean()


def _bpr_max(positive_N: Tensor, negative_NS: Tensor, hits_NS: Tensor) -> Tensor:
    """BPR whose negatives weigh by a softmax of their scores, with a penalty on those scores.

    Source: Hidasi and Karatzoglou, "Recurrent neural networks with top-k gains for session-based recommendations",
    CIKM 2018.
    """
    weights_NS = _shares(negative_NS, hits_NS)
    above_N = (weights_NS * torch.sigmoid(positive_N[:, None] - negative_NS)).sum(1) + hits_NS.all(1)
    return (-(above_N + 1e-24).log() + (weights_NS * negative_NS.square()).sum(1)).mean()


def _top1_max(positive_N: Tensor, negative_NS: Tensor, hits_NS: Tensor) -> Tensor:
    """How often negatives stand above the target or above 0, weighed by a softmax of scores; source as BPR-max."""
    weights_NS = _shares(negative_NS, hits_NS)
    gaps_NS = torch.sigmoid(negative_NS - positive_N[:, None]) + torch.sigmoid(negative_NS.square())
    return (weights_NS * gaps_NS).sum(1).mean()


def _shares(negative_NS: Tensor, hits_NS: Tensor) -> Tensor:
    """The softmax over negatives; all 0 where there is none."""
    least = torch.finfo(negative_NS.dtype).min
    return negative_NS.masked_fill(hits_NS, least).softmax(1).masked_fill(hits_NS, 0)


def _counts(hits_NS: Tensor) -> Tensor:
    return (~hits_NS).sum(1).clamp(min=1)


#: Losses of the scores of targets [N] and negatives [N, S], and which of these do not count (accidental hits) [N, S].
SAMPLED_LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "softmax": _softmax,
    "bce": _bce,
    "bpr": _bpr,
    "bpr-max": _bpr_max,
    "top1-max": _top1_max,
}
