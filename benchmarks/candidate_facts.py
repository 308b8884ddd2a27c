"""Facts of stored candidate lists: which targets they hold, where rankers put them, how well one source orders them.

Legend of shapes: R rows, F candidate features, L lists.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.evaluate.shop_temporal import LENGTH
from aisle.evaluate.windows import VARIANT_OF, Window
from aisle.features.candidates import CandidateFeaturizer
from aisle.metrics import gauc
from aisle.train.shop.ranker_examples import RankerExamples
from benchmarks.candidate_sources import ADDED


def of_candidates(window: Window, lists: RankerExamples) -> dict[str, NDArray[np.float64]]:
    """Which share of each question's targets is among its candidates, and how many these are."""
    num_lists = sum(len(window.asked(repeat)) for repeat in VARIANT_OF)
    found_L = np.bincount(lists.list_R, weights=lists.label_R, minlength=num_lists)
    size_L = np.bincount(lists.list_R, minlength=num_lists)
    values, first = {}, 0
    for repeat, variant in VARIANT_OF.items():
        num_targets_L = np.array([len(one.targets) for one in window.asked(repeat)])
        part = slice(first, first + len(num_targets_L))
        values[f"test/recall_plain@all/full/{variant}"] = found_L[part] / num_targets_L
        values[f"test/num_candidates/{variant}"] = size_L[part].astype(np.float64)
        first += len(num_targets_L)
    return values


def where_placed(
    featurizer: CandidateFeaturizer,
    lists: RankerExamples,
    logits: Sequence[NDArray[np.float32]],
    added: Container[str] = tuple(ADDED),
) -> dict[str, Any]:
    """Of the targets that only added sources listed, and of all others: how many, and how far up rankers put them."""
    names = list(featurizer.names)
    others = [names.index(f"rank_{name}") for name in featurizer.sources if name not in added]
    only_added_R = ~(lists.features_RF[:, others] > 0).any(axis=1)
    is_taken_R = lists.label_R > 0
    places = [places_of(lists.list_R, one) for one in logits]
    found: dict[str, Any] = {"share_of_candidates_only_added": float(only_added_R.mean())}
    for name, chosen_R in (("only_added", only_added_R & is_taken_R), ("others", ~only_added_R & is_taken_R)):
        if chosen_R.any():
            found[name] = {
                "targets": int(chosen_R.sum()),
                "share_among_first_20": float(np.mean([(place[chosen_R] <= LENGTH).mean() for place in places])),
                "median_place": float(np.mean([np.median(place[chosen_R]) for place in places])),
            }
    return found


def places_of(list_R: NDArray[np.int64], scores_R: NDArray[np.float32]) -> NDArray[np.int64]:
    """The place, from 1, of each row in its list by falling score; equal scores keep their order."""
    order_R = np.lexsort((-scores_R, list_R))
    sorted_R = list_R[order_R]
    first_R = np.searchsorted(sorted_R, sorted_R)
    places_R = np.empty(len(list_R), np.int64)
    places_R[order_R] = np.arange(len(list_R)) - first_R + 1
    return places_R


def auc_of_sources(featurizer: CandidateFeaturizer, examples: RankerExamples) -> dict[str, float]:
    """How well each source's scores tell what was taken from the rest of its list, sampled rows by their weights.

    A source that had seen what it shall predict does better on a ranker's training lists than on those of the test.
    """
    names = list(featurizer.names)
    return {
        name: gauc(
            examples.features_RF[:, names.index(f"score_{name}")], examples.label_R, examples.list_R, examples.weight_R
        )
        for name in featurizer.sources
    }
