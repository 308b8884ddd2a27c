"""Fits a model of lists on a shop's snapshot, without gradients: a source of the kind ``list_model``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, Questions
from aisle.data.snapshots import Snapshot
from aisle.metrics import Targets
from aisle.pipeline.generators import ListModelGenerator
from aisle.progress import silent
from aisle.recipe.list_sources import FittedSourceSpec, ListModelSourceSpec
from aisle.retrieval.histories import visitor_histories
from aisle.retrieval.matrices import Signals
from aisle.retrieval.transitions.parts import FITS


@dataclass(frozen=True)
class ShopLists:
    """What a model learns from.

    Attributes:
        split: One training list per visitor, those first whose last event is oldest; no questions.
        known_V: The items that the lists hold.
    """

    split: ListSplit
    known_V: NDArray[np.bool_]


def shop_lists(snapshot: Snapshot, signals: Signals, *, min_events: int) -> ShopLists | None:
    """The lists of a snapshot's visitors; nothing where nobody did two things."""
    histories = visitor_histories(snapshot, signals, min_events=min_events)
    lists = histories.items
    if not (lists.sizes_R >= 2).any():
        return None
    last_age_R = histories.ages_days_E[lists.starts_R1[1:] - 1]
    train = lists.take(np.argsort(-last_age_R, kind="stable"))
    nobody = Questions(ItemLists.empty(0), Targets.from_lists([]), np.zeros(0, np.int64))
    known_V = np.bincount(lists.items_E, minlength=snapshot.num_items) > 0
    return ShopLists(ListSplit(snapshot.num_items, train, nobody, nobody), known_V)


def fit_list_source(
    name: str, spec: ListModelSourceSpec, model: FittedSourceSpec, snapshot: Snapshot, signals: Signals
) -> list[ListModelGenerator]:
    """One source; none where nobody did two things.

    Raises:
        BackendUnavailableError: the model needs a library that is not installed.
    """
    lists = shop_lists(snapshot, signals, min_events=spec.min_events)
    if lists is None:
        return []
    recommender = FITS[model.kind](model, lists.split, seed=spec.seed, progress=silent)
    return [ListModelGenerator(name, recommender, lists.known_V)]
