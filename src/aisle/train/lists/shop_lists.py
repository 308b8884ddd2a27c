"""Trains a network over lists on a shop's snapshot: sources of candidates of the kind ``list_model``.

On a CPU and with the same number of threads, the same seed gives the same weights.
"""

from __future__ import annotations

from collections.abc import Callable

from aisle.data.snapshots import Snapshot
from aisle.models.collaborative import LightGCN
from aisle.models.sequential.slcm import SLCM
from aisle.pipeline.generators import ListModelGenerator
from aisle.pipeline.list_recommenders import ContextNetwork, HistoryNetwork, UserRecommender
from aisle.recipe.list_models.deep_collaborative import (
    AcfSpec,
    DmfSpec,
    GmfSpec,
    LightGcnSpec,
    MultDaeSpec,
    MultVaeSpec,
    NcfMlpSpec,
    NeuMfSpec,
    NnmfSpec,
)
from aisle.recipe.list_models.sequential import SlcmSpec
from aisle.recipe.list_sources import ListModelSourceSpec, TrainedSourceSpec
from aisle.retrieval import Signals
from aisle.retrieval.shop_lists import shop_lists
from aisle.train.lists import deep_collaborative as deep
from aisle.train.lists.autoencoders import build_mult_dae, build_mult_vae
from aisle.train.lists.encoder_export import export_encoder
from aisle.train.lists.latent_context import build_slcm
from aisle.train.lists.loop import LoopSettings, train_lists
from aisle.train.lists.trainee import Trainee

_BUILDS: dict[type, Callable[..., Trainee]] = {
    AcfSpec: deep.build_acf,
    DmfSpec: deep.build_dmf,
    GmfSpec: deep.build_gmf,
    LightGcnSpec: deep.build_lightgcn,
    MultDaeSpec: build_mult_dae,
    MultVaeSpec: build_mult_vae,
    NcfMlpSpec: deep.build_ncf_mlp,
    NeuMfSpec: deep.build_neumf,
    NnmfSpec: deep.build_nnmf,
    SlcmSpec: build_slcm,
}


def train_list_source(
    name: str, spec: ListModelSourceSpec, model: TrainedSourceSpec, snapshot: Snapshot, signals: Signals
) -> list[ListModelGenerator]:
    """One source; none where nobody did two things, or, of a model of users, where the data names none.

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
    recommender = _served(trainee, model)
    if isinstance(recommender, HistoryNetwork):
        return [ListModelGenerator(name, recommender, lists.known_V)]
    return lists.user_source(name, recommender)


def _served(trainee: Trainee, model: TrainedSourceSpec) -> HistoryNetwork | UserRecommender:
    """What a shop asks, without torch."""
    network = trainee.network
    if isinstance(network, LightGCN):
        return network.folding_recommender()
    recommender = trainee.recommender()
    if isinstance(network, SLCM):
        assert isinstance(recommender, ContextNetwork)
        assert isinstance(model, SlcmSpec)
        return ContextNetwork(
            recommender.pairs, export_encoder(network.context, model.max_length), recommender.context_XH
        )
    assert isinstance(recommender, HistoryNetwork | UserRecommender), "what a shop can ask"
    return recommender
