"""EASE over lists, see :mod:`aisle.retrieval.ease`.

Source: Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019.
Deviations: of a catalogue that does not fit into the given memory only the items that most users took are fitted; of
each item the greatest weights alone can be kept.

Legend of shapes: R users, V items, A items that are fitted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aisle.data.questions import ListSplit
from aisle.errors import ConfigError
from aisle.pipeline.list_recommenders.interactions import taken_matrix
from aisle.pipeline.list_recommenders.linear import LinearRecommender
from aisle.progress import Progress, silent
from aisle.recipe.list_models.collaborative import ListEaseSpec
from aisle.retrieval.ease import affordable_items, ease_weights
from aisle.retrieval.lists import strongest_weights

#: All weights are worked out in one matrix of float32.
BYTES_PER_PAIR = 4


def fit_list_ease(
    spec: ListEaseSpec, split: ListSplit, *, seed: int = 0, progress: Progress = silent
) -> LinearRecommender:
    """The weights of the training lists; nothing is drawn.

    Raises:
        ConfigError: the machine has less free memory than the weights need.
        DataError: the Gram matrix cannot be factorized; a greater ``l2`` helps.
    """
    taken_UV = taken_matrix(split.train, split.num_items)
    item_rows_A = affordable_items(taken_UV, spec.memory_gb, bytes_per_pair=BYTES_PER_PAIR)
    _check_memory(len(item_rows_A))
    progress("invert", 0, None)
    weights_AA = ease_weights(taken_UV[:, item_rows_A], np.ones(taken_UV.shape[0], np.float32), spec.l2)
    kept_AA = weights_AA if spec.neighbours is None else strongest_weights(weights_AA, spec.neighbours)
    return LinearRecommender(split.num_items, weights_AA=kept_AA, item_rows_A=item_rows_A)


def _check_memory(num_items: int) -> None:
    """Linux would kill the process in the midst of it."""
    needed, available = num_items**2 * BYTES_PER_PAIR, _available_bytes()
    if available is not None and needed > available:
        raise ConfigError(
            f"ease: expected {needed / 1e9:.1f} GB of free memory for the weights between {num_items} items, "
            f"the machine has {available / 1e9:.1f} GB; free some, or lower model.memory_gb: then the most taken items "
            "alone are fitted"
        )


def _available_bytes() -> int | None:
    """What processes can still get; nothing where the system does not tell."""
    path = Path("/proc/meminfo")
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    told = (line.split() for line in lines if line.startswith("MemAvailable:"))
    return next((int(words[1]) * 1024 for words in told), None)
