"""User-based neighbours: the users most similar to the asker vote for what they took.

Source: Herlocker et al., "An algorithmic framework for performing collaborative filtering", SIGIR 1999; Aiolli,
"Efficient top-N recommendation for very large scale binary rated datasets", RecSys 2013.
Deviations: interactions are binary; rare shared items can count for more (by an exponent, TF-IDF or BM25), similar
users too (by an exponent).
"""

from __future__ import annotations

from aisle.data.questions import ListSplit
from aisle.pipeline.list_recommenders.user_neighbours import UserNeighbours
from aisle.progress import Progress, silent
from aisle.recipe.list_models.collaborative import UserKnnSpec


def fit_user_knn(spec: UserKnnSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent) -> UserNeighbours:
    """The training lists are the model; nothing is drawn."""
    return UserNeighbours(spec, split.train, split.num_items)
