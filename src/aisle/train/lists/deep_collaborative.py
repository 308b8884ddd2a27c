"""From recipes to what the loop trains: networks that score a user's items beside others."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from aisle.data.questions import ListSplit
from aisle.models.collaborative import ACF, DMF, GMF, NNMF, LightGCN, NeuMF, PairMLP
from aisle.nn.full_softmax import full_softmax_of_lists
from aisle.recipe.list_models.deep_collaborative import (
    AcfSpec,
    DmfSpec,
    GmfSpec,
    LightGcnSpec,
    NcfMlpSpec,
    NeuMfSpec,
    NnmfSpec,
    PairExamplesSpec,
)
from aisle.train.lists.pair_trainee import PairTrainee, taken_above_others, taken_or_not
from aisle.train.lists.pairs import PairBatch, PairExamples
from aisle.train.lists.whole_lists import ListBatch, ListExamples


def build_gmf(spec: GmfSpec, split: ListSplit, *, seed: int = 0) -> PairTrainee[PairBatch]:
    """Generalized matrix factorization on the training lists."""
    network = GMF(len(split.train), split.num_items, dimension=spec.dimension, generator=_generator(seed))
    return _pointwise(network, spec, split, seed)


def build_ncf_mlp(spec: NcfMlpSpec, split: ListSplit, *, seed: int = 0) -> PairTrainee[PairBatch]:
    """The MLP of NCF on the training lists."""
    network = PairMLP(
        len(split.train),
        split.num_items,
        dimension=spec.dimension,
        hidden=spec.hidden,
        generator=_generator(seed),
    )
    return _pointwise(network, spec, split, seed)


def build_neumf(spec: NeuMfSpec, split: ListSplit, *, seed: int = 0) -> PairTrainee[PairBatch]:
    """NeuMF on the training lists, its parts first each for itself."""
    network = NeuMF(
        len(split.train),
        split.num_items,
        dimension=spec.dimension,
        mlp_dimension=spec.mlp_dimension,
        hidden=spec.hidden,
        alpha=spec.alpha,
        generator=_generator(seed),
    )

    def loss(batch: PairBatch) -> Tensor:
        if batch.epoch >= spec.pretraining_epochs:
            return taken_or_not(network(batch.users_B, batch.items_BC))
        gmf_BC, mlp_BC = network.parts(batch.users_B, batch.items_BC)
        return taken_or_not(gmf_BC) + taken_or_not(mlp_BC)

    return PairTrainee(network, _examples(spec, split, seed), loss=loss, recommender=network.recommender)


def build_nnmf(spec: NnmfSpec, split: ListSplit, *, seed: int = 0) -> PairTrainee[PairBatch]:
    """Neural network matrix factorization on the training lists."""
    network = NNMF(
        len(split.train),
        split.num_items,
        dimension=spec.dimension,
        num_products=spec.products,
        hidden=spec.hidden,
        generator=_generator(seed),
    )
    return _pointwise(network, spec, split, seed)


def build_dmf(spec: DmfSpec, split: ListSplit, *, seed: int = 0) -> PairTrainee[PairBatch]:
    """Deep matrix factorization on the training lists."""
    network = DMF(
        split.train, split.num_items, hidden=spec.hidden, temperature=spec.temperature, generator=_generator(seed)
    )
    return _pointwise(network, spec, split, seed)


def build_lightgcn(
    spec: LightGcnSpec, split: ListSplit, *, seed: int = 0
) -> PairTrainee[PairBatch] | PairTrainee[ListBatch]:
    """LightGCN on the graph of the training lists."""
    network = LightGCN(
        split.train,
        split.num_items,
        dimension=spec.dimension,
        num_layers=spec.layers,
        normalize=spec.normalize,
        generator=_generator(seed),
    )
    if spec.loss == "bpr":
        return _pairwise(network, spec, split, seed, temperature=spec.temperature)

    def loss(batch: ListBatch) -> Tensor:
        users_UD, items_VD = network.vectors()
        users_BD = functional.embedding(batch.users_B, users_UD)
        told = full_softmax_of_lists(users_BD, items_VD, batch.items_E, batch.starts_B1, spec.temperature)
        return told + spec.l2 / 2 * network.penalty(batch.users_E, batch.items_E)

    examples = ListExamples(split.train, batch_size=spec.batch_size, seed=seed)
    return PairTrainee(network, examples, loss=loss, recommender=network.recommender)


def build_acf(
    spec: AcfSpec, split: ListSplit, *, components_VMF: Tensor | None = None, seed: int = 0
) -> PairTrainee[PairBatch]:
    """Attentive collaborative filtering on the training lists.

    Args:
        spec: How.
        split: The data.
        components_VMF: What each item is made of (V items, M components of F values, zeros where it has fewer); with
            them attention has its second level. Missing: items are their vectors alone.
        seed: Of first values and negatives.
    """
    network = ACF(
        split.train,
        split.num_items,
        dimension=spec.dimension,
        attention=spec.attention,
        max_history=spec.max_history,
        components_VMF=components_VMF,
        generator=_generator(seed),
    )
    return _pairwise(network, spec, split, seed)


def _pointwise(
    network: GMF | PairMLP | NNMF | DMF, spec: PairExamplesSpec, split: ListSplit, seed: int
) -> PairTrainee[PairBatch]:
    def loss(batch: PairBatch) -> Tensor:
        return taken_or_not(network(batch.users_B, batch.items_BC))

    return PairTrainee(network, _examples(spec, split, seed), loss=loss, recommender=network.recommender)


def _pairwise(
    network: LightGCN | ACF, spec: LightGcnSpec | AcfSpec, split: ListSplit, seed: int, *, temperature: float = 1.0
) -> PairTrainee[PairBatch]:
    def loss(batch: PairBatch) -> Tensor:
        ranking = taken_above_others(network(batch.users_B, batch.items_BC) / temperature)
        return ranking + spec.l2 / 2 * network.penalty(batch.users_B, batch.items_BC)

    return PairTrainee(network, _examples(spec, split, seed), loss=loss, recommender=network.recommender)


def _examples(spec: PairExamplesSpec, split: ListSplit, seed: int) -> PairExamples:
    return PairExamples(
        split.train, split.num_items, batch_size=spec.batch_size, num_negatives=spec.negatives, seed=seed
    )


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
