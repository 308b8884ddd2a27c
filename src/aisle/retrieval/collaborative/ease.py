"""EASE over lists, see :mod:`aisle.retrieval.ease`.

Source: Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019.
Deviation: of a catalogue that does not fit into the given memory only the items that most users took are fitted.

Legend of shapes: R users, V items, A items that are fitted.
"""

from __future__ import annotations

import numpy as np

from aisle.data.questions import ListSplit
from aisle.progress import Progress, silent
from aisle.recipe.list_models.collaborative import ListEaseSpec
from aisle.retrieval.collaborative.interactions import taken_matrix
from aisle.retrieval.collaborative.linear import LinearRecommender
from aisle.retrieval.ease import affordable_items, ease_weights

#: All weights are kept, in float32, in the one matrix that they are worked out in.
BYTES_PER_PAIR = 4


def fit_list_ease(
    spec: ListEaseSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent
) -> LinearRecommender:
    """The weights of the training lists; nothing is drawn.

    Raises:
        DataError: the Gram matrix cannot be factorized; a greater ``l2`` helps.
    """
    taken_UV = taken_matrix(split.train, split.num_items)
    item_rows_A = affordable_items(taken_UV, spec.memory_gb, bytes_per_pair=BYTES_PER_PAIR)
    progress("invert", 0, None)
    weights_AA = ease_weights(taken_UV[:, item_rows_A], np.ones(taken_UV.shape[0], np.float32), spec.l2)
    return LinearRecommender(split.num_items, weights_AA=weights_AA, item_rows_A=item_rows_A)
