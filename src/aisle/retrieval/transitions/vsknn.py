"""Vector session kNN (VSkNN): the past lists most like the asker's history vote for their items.

Source: Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018.
Deviations: the history's weights decay exponentially, not linearly, and repeated items add up; a list's similarity may
fall with its length and its age, and be raised to a power; lists have an order, no times.
"""

from __future__ import annotations

from aisle.data.questions import ListSplit
from aisle.pipeline.list_recommenders.session_neighbours import SessionNeighbours
from aisle.progress import Progress, silent
from aisle.recipe.list_models.transitions import VsknnSpec


def fit_vsknn(spec: VsknnSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent) -> SessionNeighbours:
    """The training lists; nothing is drawn."""
    return SessionNeighbours(spec, split.train, split.num_items)
