"""Fits a model of sequences on a shop's snapshot: the source of candidates of the kind ``sequence``.

On a CPU and with the same number of threads, the same seed gives the same vectors.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aisle.data.questions import ListSplit, no_questions
from aisle.data.snapshots import Snapshot
from aisle.pipeline.generators import SequenceGenerator
from aisle.pipeline.generators.sequence import NextItemScorer
from aisle.recipe.generators import SequenceSpec
from aisle.recipe.list_models.candidates import CandidateModelSpec, ListHstuRankerSpec
from aisle.recipe.list_models.sequential import SequenceModelSpec
from aisle.retrieval import Signals
from aisle.retrieval.histories import pieces, visitor_histories
from aisle.train.lists.action_items import ActionItemTrainee, build_action_items
from aisle.train.lists.candidate_export import export_candidate_model
from aisle.train.lists.candidates import CandidateTrainee, build_candidate_model
from aisle.train.lists.encoder_export import export_encoder
from aisle.train.lists.loop import LoopSettings, train_lists
from aisle.train.lists.next_item import NextItemTrainee
from aisle.train.lists.sequences import build_sequence_model

SourceLearner = ActionItemTrainee | CandidateTrainee | NextItemTrainee
#: What a visitor did with an item, by rows of actions: looked at it, or did what the shop wants.
ACTIONS = ("looked at", "taken")


def fit_sequence(name: str, spec: SequenceSpec, snapshot: Snapshot, signals: Signals) -> list[SequenceGenerator]:
    """One source; none where nobody did two things.

    Raises:
        DataError: the loss is not finite.
    """
    histories = visitor_histories(snapshot, signals, min_events=spec.min_events)
    if not (histories.items.sizes_R >= 2).any():
        return []
    lists = replace(histories.items, actions_E=histories.taken_E.astype(np.int32))
    split = ListSplit(snapshot.num_items, lists, no_questions(), no_questions(), actions=ACTIONS)
    learner = build_source(spec, split)
    settings = LoopSettings(
        epochs=spec.epochs,
        learning_rate=spec.learning_rate,
        weight_decay=spec.weight_decay,
        schedule="linear",
        seed=spec.seed,
    )
    train_lists(learner, settings, None)
    known_V = np.bincount(lists.items_E, minlength=snapshot.num_items) > 0
    return [SequenceGenerator(name, export_source(learner, known_V), temperature=spec.model.loss.temperature)]


def build_source(spec: SequenceSpec, split: ListSplit) -> SourceLearner:
    """The untrained model of a source on visitors' whole histories, and what was done in them."""
    model = spec.model
    if isinstance(model, ListHstuRankerSpec):
        return build_action_items(model, split, seed=spec.seed)
    if isinstance(model, CandidateModelSpec):
        return build_candidate_model(model, split, seed=spec.seed)
    assert isinstance(model, SequenceModelSpec)
    cut = replace(split, train=pieces(split.train, model.max_length))
    return build_sequence_model(model, cut, seed=spec.seed)


def export_source(learner: SourceLearner, known_V: NDArray[np.bool_]) -> NextItemScorer:
    """What serves, without torch; it knows these items alone."""
    if isinstance(learner, ActionItemTrainee):
        return learner.recommender().exported(known_V, np.array([action == "taken" for action in ACTIONS]))
    if isinstance(learner, CandidateTrainee):
        scorer = export_candidate_model(learner.network)
        scorer.vectors_VD[~known_V] = 0
        return scorer
    encoder = export_encoder(learner.network, learner.settings.max_length)
    encoder.vectors_VE[~known_V] = 0
    return encoder
