"""Fits a model of lists on a shop's snapshot, without gradients: a source of the kind ``list_model``.

Legend of shapes: R lists, V item rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit, no_questions
from aisle.data.snapshots import Snapshot
from aisle.pipeline.generators import ListModelGenerator
from aisle.pipeline.known_visitors import KnownVisitors
from aisle.pipeline.list_recommenders import UserRecommender
from aisle.progress import silent
from aisle.recipe.list_models.collaborative import BprSpec, ExplicitSvdSpec
from aisle.recipe.list_sources import FittedSourceSpec, ListModelSourceSpec
from aisle.retrieval.collaborative import fit_bpr
from aisle.retrieval.collaborative.explicit_svd import fit_user_factors
from aisle.retrieval.histories import visitor_histories
from aisle.retrieval.matrices import Signals
from aisle.retrieval.transitions.parts import FITS

RATING = "rating"


@dataclass(frozen=True)
class ShopLists:
    """What a model learns from.

    Attributes:
        split: One training list per visitor, those first whose last event is oldest; no questions.
        known_V: The items that the lists hold.
        users_R: Whose each list is, a user row of the snapshot; 0: a session's.
        user_ids: By user row.
    """

    split: ListSplit
    known_V: NDArray[np.bool_]
    users_R: NDArray[np.int32]
    user_ids: list[str]

    def user_source(self, name: str, recommender: UserRecommender) -> list[ListModelGenerator]:
        """The source of a model that was fitted on the lists and knows whose they are; none where they are nobody's.

        Sessions taught it about items, and are over: only users are kept.
        """
        lists_N = np.flatnonzero(self.users_R > 0)
        if not len(lists_N):
            return []
        visitors, order_N = KnownVisitors.of_ids([self.user_ids[user] for user in self.users_R[lists_N]])
        return [ListModelGenerator(name, recommender.of_users(lists_N[order_N]), self.known_V, visitors)]


def shop_lists(snapshot: Snapshot, signals: Signals, *, min_events: int) -> ShopLists | None:
    """The lists of a snapshot's visitors; nothing where nobody did two things."""
    histories = visitor_histories(snapshot, signals, min_events=min_events)
    lists = histories.items
    if not (lists.sizes_R >= 2).any():
        return None
    last_age_R = histories.ages_days_E[lists.starts_R1[1:] - 1]
    order_R = np.argsort(-last_age_R, kind="stable")
    return _of_lists(snapshot, lists.take(order_R), histories.users_R[order_R])


def shop_ratings(snapshot: Snapshot, *, min_events: int) -> ShopLists | None:
    """What users rated, by the ``value`` of their last event ``rating`` of each item; nothing without such events.

    Items that fewer than ``min_events`` users rated are left out.
    """
    events = (
        snapshot.of_type(RATING)
        .filter((pl.col("user") > 0) & (pl.col("item") > 0) & pl.col("value").is_finite())
        .unique(["user", "item"], keep="last", maintain_order=True)
        .filter(pl.len().over("item") >= min_events)
        .sort("user", maintain_order=True)
    )
    if events.is_empty():
        return None
    ratings_A, actions_E = np.unique(events["value"].to_numpy(), return_inverse=True)
    users_R, sizes_R = np.unique(events["user"].to_numpy(), return_counts=True)
    lists = ItemLists.of_sizes(sizes_R, events["item"].to_numpy())
    rated = ItemLists(lists.starts_R1, lists.items_E, actions_E.astype(np.int32))
    return _of_lists(snapshot, rated, users_R, tuple(str(rating) for rating in ratings_A.tolist()))


def _of_lists(
    snapshot: Snapshot, lists: ItemLists, users_R: NDArray[np.int32], actions: tuple[str, ...] = ()
) -> ShopLists:
    known_V = np.bincount(lists.items_E, minlength=snapshot.num_items) > 0
    split = ListSplit(snapshot.num_items, lists, no_questions(), no_questions(), actions=actions)
    return ShopLists(split, known_V, users_R, snapshot.user_ids)


def fit_list_source(
    name: str, spec: ListModelSourceSpec, model: FittedSourceSpec, snapshot: Snapshot, signals: Signals
) -> list[ListModelGenerator]:
    """One source; none where nobody did two things, or, of a model of users, where the data names none.

    Raises:
        BackendUnavailableError: the model needs a library that is not installed.
    """
    if isinstance(model, ExplicitSvdSpec):
        rated = shop_ratings(snapshot, min_events=spec.min_events)
        return [] if rated is None else rated.user_source(name, fit_user_factors(model, rated.split, seed=spec.seed))
    lists = shop_lists(snapshot, signals, min_events=spec.min_events)
    if lists is None:
        return []
    if isinstance(model, BprSpec):
        return lists.user_source(name, fit_bpr(model, lists.split, seed=spec.seed))
    recommender = FITS[model.kind](model, lists.split, seed=spec.seed, progress=silent)
    return [ListModelGenerator(name, recommender, lists.known_V)]
