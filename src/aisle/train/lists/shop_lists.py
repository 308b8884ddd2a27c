"""Trains a network over lists on a shop's snapshot: sources of candidates of the kind ``list_model``.

On a CPU and with the same number of threads, the same seed gives the same weights.
"""

from __future__ import annotations

from collections.abc import Callable

from aisle.data.snapshots import Snapshot
from aisle.pipeline.generators import ListModelGenerator
from aisle.pipeline.list_recommenders import HistoryNetwork
from aisle.recipe.list_models.deep_collaborative import DmfSpec, MultDaeSpec, MultVaeSpec
from aisle.recipe.list_sources import ListModelSourceSpec, TrainedSourceSpec
from aisle.retrieval import Signals
from aisle.retrieval.shop_lists import shop_lists
from aisle.train.lists.autoencoders import build_mult_dae, build_mult_vae
from aisle.train.lists.deep_collaborative import build_dmf
from aisle.train.lists.loop import LoopSettings, train_lists
from aisle.train.lists.trainee import Trainee

_BUILDS: dict[type, Callable[..., Trainee]] = {
    DmfSpec: build_dmf,
    MultDaeSpec: build_mult_dae,
    MultVaeSpec: build_mult_vae,
}


def train_list_source(
    name: str, spec: ListModelSourceSpec, model: TrainedSourceSpec, snapshot: Snapshot, signals: Signals
) -> list[ListModelGenerator]:
    """One source; none where nobody did two things.

    Raises:
        DataError: the loss is not finite.
    """
    lists = shop_lists(snapshot, signals, min_events=spec.min_events)
    if lists is None:
        return []
    trainee = _BUILDS[type(model)](model, lists.split, seed=spec.seed)
    settings = LoopSettings(
        epochs=spec.epochs,
        learning_rate=spec.learning_rate,
        weight_decay=spec.weight_decay,
        schedule="linear",
        seed=spec.seed,
    )
    train_lists(trainee, settings, None)
    recommender = trainee.recommender()
    assert isinstance(recommender, HistoryNetwork), "what reads a history alone"
    return [ListModelGenerator(name, recommender, lists.known_V)]
