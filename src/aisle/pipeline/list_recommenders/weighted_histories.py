"""Histories as weights of items: the later an item was taken, the more it counts.

Legend of shapes: R lists, E entries, V items.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from aisle.data.item_lists import ItemLists
from aisle.recipe.list_models.histories import HistorySpec


def weighted_histories(lists: ItemLists, spec: HistorySpec, num_items: int) -> sparse.csr_matrix:
    """The sum of exp(-decay x distance from the end) over an item's places in a list: [R, V], float32."""
    kept = lists if spec.last is None else lists.last(spec.last)
    distance_E = np.repeat(kept.starts_R1[1:] - 1, kept.sizes_R) - np.arange(len(kept.items_E))
    weights_E = np.exp(-spec.decay * distance_E).astype(np.float32)
    weighted_RV = sparse.csr_matrix((weights_E, kept.items_E, kept.starts_R1), shape=(len(kept), num_items), copy=True)
    weighted_RV.sum_duplicates()
    return weighted_RV
