"""From recipes to what the loop trains: networks that score a user's items beside others.

Legend of shapes: V items, M components of an item, F values of a component.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from aisle.data.questions import ListSplit
from aisle.errors import ConfigError
from aisle.models.collaborative import ACF, DMF, GMF, NNMF, LightGCN, NeuMF, PairMLP
from aisle.nn.full_softmax import full_softmax_of_lists
from aisle.recipe.list_models.deep_collaborative import (
    AcfSpec,
    DmfSpec,
    GmfSpec,
    LightGcnSpec,
    NcfMlpSpec,
    NcfSpec,
    NeuMfSpec,
    NnmfSpec,
    PairExamplesSpec,
)
from aisle.train.lists.pair_trainee import PairTrainee, taken_above_others, taken_or_not
from aisle.train.lists.pairs import PairBatch, PairExamples
from aisle.train.lists.whole_lists import ListBatch, ListExamples

#: Components of items, and those of a step's histories, take so many bytes at most.
_COMPONENT_BYTES = 1 << 30


def build_gmf(spec: GmfSpec, split: ListSplit, *, seed: int = 0) -> PairTrainee[PairBatch]:
    """Generalized matrix factorization on the training lists."""
    network = GMF(len(split.train), split.num_items, dimension=spec.dimension, generator=_generator(seed))
    return _pointwise_with_penalty(network, spec, split, seed)


def build_ncf_mlp(spec: NcfMlpSpec, split: ListSplit, *, seed: int = 0) -> PairTrainee[PairBatch]:
    """The MLP of NCF on the training lists."""
    network = PairMLP(
        len(split.train),
        split.num_items,
        dimension=spec.dimension,
        hidden=spec.hidden,
        generator=_generator(seed),
    )
    return _pointwise_with_penalty(network, spec, split, seed)


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

    first_of_mlp = 0
    if spec.mlp_pretraining_epochs is not None:
        first_of_mlp = spec.pretraining_epochs - spec.mlp_pretraining_epochs

    def loss(batch: PairBatch) -> Tensor:
        asked = batch.users_B, batch.items_BC
        if batch.epoch < first_of_mlp:  # no gradient: the optimizer leaves the MLP as it is
            return taken_or_not(network.gmf(*asked)) + spec.l2 / 2 * network.gmf.penalty(*asked)
        penalty = spec.l2 / 2 * network.penalty(*asked)
        if batch.epoch >= spec.pretraining_epochs:
            return taken_or_not(network(*asked)) + penalty
        gmf_BC, mlp_BC = network.parts(*asked)
        return taken_or_not(gmf_BC) + taken_or_not(mlp_BC) + penalty

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
        first_scale=spec.first_scale,
        spectrum=spec.first_values == "spectrum",
        normalize=spec.normalize,
        popularity=spec.popularity,
        generator=_generator(seed),
    )
    if spec.loss == "bpr":
        return _pairwise(network, spec, split, seed, temperature=spec.temperature)

    def loss(batch: ListBatch) -> Tensor:
        users_UD, items_VD = network.vectors()
        users_BD = functional.embedding(batch.users_B, users_UD)
        told = full_softmax_of_lists(users_BD, items_VD, batch.items_E, batch.starts_B1, spec.temperature)
        return told + spec.l2 / 2 * network.penalty(batch.users_E, batch.items_E) if spec.l2 else told

    examples = ListExamples(split.train, batch_size=spec.batch_size, seed=seed)
    return PairTrainee(network, examples, loss=loss, recommender=network.recommender)


def build_acf(spec: AcfSpec, split: ListSplit, *, seed: int = 0) -> PairTrainee[PairBatch]:
    """Attentive collaborative filtering on the training lists.

    Raises:
        ConfigError: components are to be read, and the data names no labels, or too many for the memory.
    """
    network = ACF(
        split.train,
        split.num_items,
        dimension=spec.dimension,
        attention=spec.attention,
        max_history=spec.max_history,
        components_VMF=_label_components(spec, split) if spec.components else None,
        generator=_generator(seed),
    )
    return _pairwise(network, spec, split, seed)


def _label_components(spec: AcfSpec, split: ListSplit) -> Tensor:
    """Each label of an item [V, M, F] as a component that is 1 at the label's place; zeros behind the last one."""
    if split.item_labels is None:
        raise ConfigError(
            "model.components: expected data.items with categories or numbers, received none; name it, or leave "
            "model.components out"
        )
    labels_VF = split.item_labels.weights_VL
    sizes_V = np.diff(labels_VF.indptr)
    most, (num_items, num_labels) = int(sizes_V.max()), labels_VF.shape
    num_bytes = 4 * most * num_labels * max(num_items, spec.batch_size * spec.max_history)
    if num_bytes > _COMPONENT_BYTES:
        raise ConfigError(
            f"model.components: expected components of {_COMPONENT_BYTES >> 20} MiB at most, received "
            f"{num_bytes >> 20} MiB for {num_labels} labels, {most} of an item; name fewer categories, or lower "
            "model.batch_size or model.max_history"
        )
    place_E = np.arange(labels_VF.nnz) - np.repeat(labels_VF.indptr[:-1], sizes_V)
    components_VMF = np.zeros((num_items, most, num_labels), np.float32)
    components_VMF[np.repeat(np.arange(num_items), sizes_V), place_E, labels_VF.indices] = 1
    return torch.from_numpy(components_VMF)


def _pointwise_with_penalty(
    network: GMF | PairMLP, spec: NcfSpec, split: ListSplit, seed: int
) -> PairTrainee[PairBatch]:
    def loss(batch: PairBatch) -> Tensor:
        penalty = network.penalty(batch.users_B, batch.items_BC)
        return taken_or_not(network(batch.users_B, batch.items_BC)) + spec.l2 / 2 * penalty

    return PairTrainee(network, _examples(spec, split, seed), loss=loss, recommender=network.recommender)


def _pointwise(network: NNMF | DMF, spec: PairExamplesSpec, split: ListSplit, seed: int) -> PairTrainee[PairBatch]:
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
