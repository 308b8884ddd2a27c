"""Fits a model of sequences on a shop's snapshot: the source of candidates of the kind ``sequence``.

On a CPU and with the same number of threads, the same seed gives the same vectors.
"""

from __future__ import annotations

import logging

import numpy as np

from aisle.data.questions import ListSplit, no_questions
from aisle.data.snapshots import Snapshot
from aisle.pipeline.generators import SequenceGenerator
from aisle.recipe.generators import SequenceSpec
from aisle.retrieval import Signals
from aisle.retrieval.histories import pieces, visitor_histories
from aisle.train.lists.encoder_export import export_encoder
from aisle.train.lists.loop import LoopSettings, train_lists
from aisle.train.lists.sequences import build_sequence_model

logger = logging.getLogger(__name__)


def fit_sequence(name: str, spec: SequenceSpec, snapshot: Snapshot, signals: Signals) -> list[SequenceGenerator]:
    """One source; none where nobody did two things.

    Raises:
        DataError: the loss is not finite.
    """
    histories = visitor_histories(snapshot, signals, min_events=spec.min_events).items
    lists = pieces(histories, spec.model.max_length)
    if not (lists.sizes_R >= 2).any():
        return []
    split = ListSplit(snapshot.num_items, lists, no_questions(), no_questions())
    trainee = build_sequence_model(spec.model, split, seed=spec.seed)
    settings = LoopSettings(
        epochs=spec.epochs,
        learning_rate=spec.learning_rate,
        weight_decay=spec.weight_decay,
        schedule="linear",
        seed=spec.seed,
    )
    train_lists(trainee, settings, None)
    encoder = export_encoder(trainee.network, spec.model.max_length)
    known_V = np.bincount(histories.items_E, minlength=snapshot.num_items) > 0
    encoder.vectors_VE[~known_V] = 0
    return [SequenceGenerator(name, encoder, temperature=spec.model.loss.temperature)]
