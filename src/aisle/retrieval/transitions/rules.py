"""Directed rules: what came after an item, the sooner the more; with a window of one they are Markov chains.

Source: sequential rules (SR) and Markov chains (MC) of Ludewig and Jannach, "Evaluation of session-based recommendation
algorithms", UMUAI 2018.
Deviations: all items of a history vote, the later the louder, where SR and MC ask the last item alone; a rule may be
divided by a power of how often its consequence occurs at all.

Legend of shapes: E entries, P pairs, V items.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit
from aisle.pipeline.list_recommenders.interactions import negative_power, row_sums, scaled
from aisle.pipeline.list_recommenders.item_votes import ItemVotes
from aisle.progress import Progress, silent
from aisle.recipe.list_models.histories import HistorySpec
from aisle.recipe.list_models.transitions import MarkovSpec, RulesSpec
from aisle.retrieval.transitions.popularity import occurrences


def fit_rules(spec: RulesSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent) -> ItemVotes:
    """The rules of the training lists; each item's votes add up to 1 before the candidates' exponent."""
    progress("count pairs", 0, None)
    pairs_VV = count_later(split.train, split.num_items, spec.window)
    occurrences_V = occurrences(split.train, split.num_items)
    candidate_V = negative_power(occurrences_V, spec.candidate_exponent)
    votes_VV = scaled(negative_power(row_sums(pairs_VV), 1), pairs_VV, candidate_V)
    return ItemVotes(votes_VV, occurrences_V, spec.history)


def fit_markov(spec: MarkovSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent) -> ItemVotes:
    """The transitions of the training lists, asked for the last item of a history alone."""
    rules = RulesSpec(kind="rules", window=1, history=HistorySpec(last=1, decay=0))
    return fit_rules(rules, split, seed=seed, progress=progress)


def count_later(
    lists: ItemLists, num_items: int, window: int, weights_E: NDArray[np.floating[Any]] | None = None
) -> sparse.csr_matrix:
    """The sum of 1 / distance over all pairs of an item and a later one of its list, up to ``window`` places apart.

    With ``weights_E`` each pair counts as much as its later entry.
    """
    list_E = lists.list_E
    earlier, later, weights = [lists.items_E[:0]], [lists.items_E[:0]], [np.zeros(0, np.float32)]
    for distance in range(1, min(window, int(lists.sizes_R.max(initial=1)) - 1) + 1):
        earlier_E = np.flatnonzero(list_E[:-distance] == list_E[distance:])
        earlier.append(lists.items_E[earlier_E])
        later.append(lists.items_E[earlier_E + distance])
        weights_P = np.ones(len(earlier_E)) if weights_E is None else weights_E[earlier_E + distance]
        weights.append((weights_P / distance).astype(np.float32))
    places = (np.concatenate(earlier), np.concatenate(later))
    return sparse.csr_matrix((np.concatenate(weights), places), shape=(num_items, num_items))
