"""Softmax over a catalogue from a sample of its items: the losses of retrieval models.

Legend of shapes: B queries, P positives of a query, C candidates that the batch shares.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def sampled_softmax(
    logits_BC: Tensor, positives_BP: Tensor, hits_BC: Tensor, log_inclusion_C: Tensor | None = None
) -> Tensor:
    """The mean over positives of -log softmax, the sum over the catalogue estimated from the batch's candidates.

    Candidates are distinct items: the positives of all queries (in-batch negatives of the other queries), and drawn
    ones. Each negative stands for 1 / (its probability to be in the batch) items, which is the logQ correction of
    Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations", 2019. Without it popular
    items, which are negatives more often, are held down. The positive itself is not sampled and not corrected. Where
    every item is a candidate with certainty, the loss is the full softmax.

    Args:
        logits_BC: Scores over temperature.
        positives_BP: Columns of each query's positives; -1 where it has fewer than P.
        hits_BC: True for what is no negative of a query: its positives, whether or not they are in ``positives_BP``
            (accidental hits).
        log_inclusion_C: The log of each candidate's probability to be in the batch; missing: no correction.
    """
    corrected_BC = logits_BC if log_inclusion_C is None else logits_BC - log_inclusion_C
    # Finite, so that a query without negatives has a loss of 0 and not a gradient of NaN.
    negatives_B = corrected_BC.masked_fill(hits_BC, torch.finfo(logits_BC.dtype).min).logsumexp(dim=1)
    positives_logits_BP = logits_BC.gather(1, positives_BP.clamp(min=0))
    loss_BP = functional.softplus(negatives_B[:, None] - positives_logits_BP)
    is_told_BP = (positives_BP >= 0).to(loss_BP.dtype)
    return (loss_BP * is_told_BP).sum() / is_told_BP.sum().clamp(min=1)
