"""Directed rules of a shop as neighbour lists: what came soon after an item in visitors' histories.

Source: sequential rules (SR) of Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", UMUAI
2018.
Deviations: histories run over sessions; rules decay with age and are divided by a power of how often their consequence
occurs; all items of the asking history vote, by their decayed strengths.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from aisle.data.snapshots import Snapshot
from aisle.pipeline.generators import NeighbourGenerator
from aisle.recipe.generators import TransitionsSpec
from aisle.retrieval.histories import visitor_histories
from aisle.retrieval.lists import lists_from_sparse
from aisle.retrieval.matrices import Signals
from aisle.retrieval.transitions.rules import count_later


def fit_transitions(name: str, spec: TransitionsSpec, snapshot: Snapshot, signals: Signals) -> list[NeighbourGenerator]:
    """One source; none where nobody did two things."""
    histories = visitor_histories(snapshot, signals)
    decayed = np.exp2(-histories.ages_days_E / (spec.half_life_days or np.inf))
    pairs_VV = count_later(histories.items, snapshot.num_items, spec.window, decayed)
    pairs_VV.setdiag(0)
    pairs_VV.eliminate_zeros()
    if not pairs_VV.nnz:
        return []
    total_V = np.asarray(pairs_VV.sum(axis=1), np.float64).ravel()
    later_V = np.asarray(pairs_VV.sum(axis=0), np.float64).ravel()
    with np.errstate(divide="ignore"):
        scale_V = np.where(total_V > 0, 1 / total_V, 0)
        candidate_V = np.where(later_V > 0, later_V**-spec.candidate_exponent, 0)
    votes_VV = sparse.csr_matrix(sparse.diags_array(scale_V) @ pairs_VV @ sparse.diags_array(candidate_V))
    lists = lists_from_sparse(votes_VV.astype(np.float32), spec.top_n)
    half_life = spec.history_half_life_days
    return [NeighbourGenerator(name, lists, lists_name=name, half_life_days=half_life, reason="Often after {item}")]
