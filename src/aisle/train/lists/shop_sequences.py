"""Fits a model of sequences on a shop's snapshot: the source of candidates of the kind ``sequence``.

On a CPU and with the same number of threads, the same seed gives the same vectors.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aisle.data.questions import ListSplit, no_questions
from aisle.data.snapshots import Snapshot
from aisle.pipeline.generators import SequenceGenerator
from aisle.pipeline.generators.sequence import NextItemScorer
from aisle.recipe.generators import SequenceSpec
from aisle.recipe.list_models.sequential import CandidateModelSpec
from aisle.retrieval import Signals
from aisle.retrieval.histories import pieces, visitor_histories
from aisle.train.lists.candidate_export import export_candidate_model
from aisle.train.lists.candidates import build_candidate_model
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
    if not (histories.sizes_R >= 2).any():
        return []
    known_V = np.bincount(histories.items_E, minlength=snapshot.num_items) > 0
    scorer = _trained(spec, ListSplit(snapshot.num_items, histories, no_questions(), no_questions()), known_V)
    return [SequenceGenerator(name, scorer, temperature=spec.model.loss.temperature)]


def _trained(spec: SequenceSpec, split: ListSplit, known_V: NDArray[np.bool_]) -> NextItemScorer:
    """What serves, without torch; items that are not known have the vector 0."""
    settings = LoopSettings(
        epochs=spec.epochs,
        learning_rate=spec.learning_rate,
        weight_decay=spec.weight_decay,
        schedule="linear",
        seed=spec.seed,
    )
    model = spec.model
    if isinstance(model, CandidateModelSpec):
        by_candidate = build_candidate_model(model, split, seed=spec.seed)
        train_lists(by_candidate, settings, None)
        scorer = export_candidate_model(by_candidate.network)
        scorer.vectors_VD[~known_V] = 0
        return scorer
    cut = replace(split, train=pieces(split.train, model.max_length))
    trainee = build_sequence_model(model, cut, seed=spec.seed)
    train_lists(trainee, settings, None)
    encoder = export_encoder(trainee.network, model.max_length)
    encoder.vectors_VE[~known_V] = 0
    return encoder
