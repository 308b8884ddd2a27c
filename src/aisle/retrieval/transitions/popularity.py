"""Popularity over lists: the same order for everybody, or the asker's own items first.

Source: the baselines POP and S-POP of Hidasi et al., "Session-based recommendations with recurrent neural networks",
ICLR 2016.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit
from aisle.pipeline.list_recommenders.item_votes import ItemVotes
from aisle.progress import Progress, silent
from aisle.recipe.list_models.transitions import PopularitySpec


def fit_popularity(spec: PopularitySpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent) -> ItemVotes:
    """Occurrences in the training lists; with ``own`` each item of a history votes for itself."""
    itself_VV = sparse.eye_array(split.num_items, dtype=np.float32, format="csr") * np.float32(spec.own)
    return ItemVotes(sparse.csr_matrix(itself_VV), occurrences(split.train, split.num_items), spec.history)


def occurrences(lists: ItemLists, num_items: int) -> NDArray[np.float32]:
    """How often each item stands in the lists: [V]."""
    return np.bincount(lists.items_E, minlength=num_items).astype(np.float32)
