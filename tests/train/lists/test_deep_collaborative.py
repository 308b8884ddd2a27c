"""Networks over users and items: each under the contract of recommenders, trained by the loop; losses by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy import sparse

from aisle.data.item_labels import ItemLabels
from aisle.data.item_lists import ItemLists
from aisle.data.questions import NOBODY, ListSplit, Questions
from aisle.errors import ConfigError
from aisle.models.collaborative import LightGCN
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
from aisle.train.lists.autoencoders import AutoencoderTrainee, HistoryBatch, build_mult_dae, build_mult_vae
from aisle.train.lists.deep_collaborative import (
    build_acf,
    build_dmf,
    build_gmf,
    build_lightgcn,
    build_ncf_mlp,
    build_neumf,
    build_nnmf,
)
from aisle.train.lists.loop import LoopSettings, train_lists
from aisle.train.lists.pair_trainee import taken_above_others, taken_or_not
from aisle.train.lists.trainee import Trainee
from tests.contracts.list_recommenders import ListRecommenderContract, SavedRecommender, checkerboard_world, targets_of

SMALL = {"batch_size": 64}


class TrainedContract(ListRecommenderContract):
    """A model of the checkerboard that the loop trains; what comes next in the cycle it cannot tell."""

    learns = frozenset({"checkerboard"})
    knows_users = True
    build: ClassVar[Callable[..., Trainee]]
    spec: ClassVar[Any]
    epochs: ClassVar[int] = 12
    learning_rate: ClassVar[float] = 0.03

    def fit(self, split: ListSplit) -> SavedRecommender:
        trainee = type(self).build(self.spec, split, seed=1)
        train_lists(trainee, LoopSettings(epochs=self.epochs, learning_rate=self.learning_rate), None)
        recommender: Any = trainee.recommender()
        return recommender


class TestGmf(TrainedContract):
    build = build_gmf
    spec = GmfSpec(kind="gmf", dimension=4, **SMALL)


class TestNcfMlp(TrainedContract):
    epochs = 25
    build = build_ncf_mlp
    spec = NcfMlpSpec(kind="ncf-mlp", dimension=8, hidden=[16, 8], **SMALL)


class TestNeuMf(TrainedContract):
    build = build_neumf
    spec = NeuMfSpec(kind="neumf", dimension=2, mlp_dimension=2, hidden=[4, 2], pretraining_epochs=8, **SMALL)


class TestNnmf(TrainedContract):
    build = build_nnmf
    spec = NnmfSpec(kind="nnmf", dimension=2, products=4, hidden=[4, 2], **SMALL)


class TestDmf(TrainedContract):
    knows_users = False
    build = build_dmf
    spec = DmfSpec(kind="dmf", batch_size=64, hidden=[16, 8])


class TestLightGcn(TrainedContract):
    build = build_lightgcn
    spec = LightGcnSpec(kind="lightgcn", batch_size=64, dimension=8, layers=2)


class TestLightGcnOfAllItems(TrainedContract):
    build = build_lightgcn
    spec = LightGcnSpec(
        kind="lightgcn", batch_size=10, dimension=8, layers=2, loss="softmax", normalize=True, temperature=0.5
    )


class TestLightGcnFromTheSpectrum(TrainedContract):
    build = build_lightgcn
    spec = LightGcnSpec(
        kind="lightgcn", batch_size=10, dimension=8, layers=2, loss="softmax", normalize=True, first_values="spectrum"
    )


class TestAcf(TrainedContract):
    build = build_acf
    spec = AcfSpec(kind="acf", batch_size=64, dimension=8, attention=4, max_history=5)


WITH_COMPONENTS = AcfSpec(kind="acf", batch_size=64, dimension=8, attention=4, max_history=5, components=True)


def with_labels(split: ListSplit) -> ListSplit:
    """Each item has a label that says its parity, and every third one a second label."""
    labels_VL = np.zeros((split.num_items, 3), np.float32)
    labels_VL[np.arange(split.num_items), np.arange(split.num_items) % 2] = 1
    labels_VL[::3, 2] = 1
    return replace(split, item_labels=ItemLabels(sparse.csr_matrix(labels_VL), ("even", "odd", "third")))


class TestAcfWithComponents(TrainedContract):
    build = build_acf
    spec = WITH_COMPONENTS

    def told(self, split: ListSplit) -> ListSplit:
        return with_labels(split)


class TestMultVae(TrainedContract):
    knows_users = False
    build = build_mult_vae
    spec = MultVaeSpec(kind="mult-vae", batch_size=20, hidden=[16], latent=8, anneal_steps=30)


class TestMultDae(TrainedContract):
    knows_users = False
    build = build_mult_dae
    spec = MultDaeSpec(kind="mult-dae", batch_size=20, latent=8)


def test_what_was_taken_and_what_not_by_hand() -> None:
    logits_BC = torch.tensor([[0.0, math.log(3.0)]])
    expected = (math.log(2.0) + math.log(4.0)) / 2  # -log sigmoid(0), and -log(1 - 3/4)
    assert taken_or_not(logits_BC).item() == pytest.approx(expected)


def test_what_was_taken_above_others_by_hand() -> None:
    scores_BC = torch.tensor([[2.0, 2.0, 2.0 - math.log(3.0)]])
    expected = (math.log(2.0) + math.log(4.0 / 3.0)) / 2
    assert taken_above_others(scores_BC).item() == pytest.approx(expected)


def test_parts_of_neumf_learn_what_they_would_alone() -> None:
    split = checkerboard_world()
    small = {**SMALL, "l2": 0.02}
    spec = NeuMfSpec(kind="neumf", dimension=4, mlp_dimension=4, hidden=[8, 4], pretraining_epochs=2, **small)
    neumf, gmf = build_neumf(spec, split), build_gmf(GmfSpec(kind="gmf", dimension=4, **small), split)
    for trainee in (neumf, gmf):
        train_lists(trainee, LoopSettings(epochs=2, learning_rate=0.01), None)
    states = [trainee.network.state_dict() for trainee in (neumf, gmf)]
    for name, alone in states[1].items():
        torch.testing.assert_close(states[0][f"gmf.{name}"], alone)


def test_the_mlp_of_neumf_joins_for_the_last_epochs_of_pretraining() -> None:
    split = checkerboard_world()
    small = {**SMALL, "l2": 0.02, "dimension": 4, "mlp_dimension": 4, "hidden": [8, 4], "pretraining_epochs": 3}
    late = build_neumf(NeuMfSpec(kind="neumf", mlp_pretraining_epochs=1, **small), split)
    always = build_neumf(NeuMfSpec(kind="neumf", **small), split)
    first = {name: value.clone() for name, value in late.network.state_dict().items()}

    def learned(trainee: Any, epochs: int) -> dict[str, torch.Tensor]:
        train_lists(trainee, LoopSettings(epochs=epochs, learning_rate=0.01, weight_decay=0.1), None)
        return {name: value.clone() for name, value in trainee.network.state_dict().items()}

    before, after, together = learned(late, 2), learned(late, 3), learned(always, 2)
    for name, value in first.items():
        if name.startswith("mlp."):
            torch.testing.assert_close(before[name], value, rtol=0, atol=0)
            assert not torch.equal(after[name], value)
        else:
            torch.testing.assert_close(before[name], together[name])


@pytest.mark.parametrize(
    ("build", "spec"),
    [
        (build_gmf, GmfSpec(kind="gmf", dimension=4, **SMALL)),
        (build_ncf_mlp, NcfMlpSpec(kind="ncf-mlp", dimension=4, hidden=[8], **SMALL)),
        (build_neumf, NeuMfSpec(kind="neumf", dimension=4, mlp_dimension=4, hidden=[8], **SMALL)),
    ],
)
def test_half_of_l2_times_the_penalty_joins_the_loss(build: Callable[..., Any], spec: Any) -> None:
    split = checkerboard_world()
    free, held = build(spec, split), build(spec.model_copy(update={"l2": 3.0}), split)
    batch = next(free.epoch(0))
    penalty = free.network.penalty(batch.users_B, batch.items_BC)
    assert (held.loss(batch) - free.loss(batch)).item() == pytest.approx(1.5 * penalty.item(), rel=1e-3)


def test_the_divergence_weighs_more_from_step_to_step() -> None:
    split = checkerboard_world()
    spec = MultVaeSpec(kind="mult-vae", batch_size=30, hidden=[], latent=4, dropout=0.0, beta=0.5, anneal_steps=4)
    trainee = build_mult_vae(spec, split)
    trainee.network.eval()
    batches = [batch for number in range(4) for batch in trainee.epoch(number)]
    assert [batch.step for batch in batches] == list(range(8))
    losses = [loss_at(trainee, batches[0].items_E, batches[0].starts_B, step) for step in (0, 2, 4, 8)]
    divergence = 2 * (losses[2] - losses[0])
    assert divergence > 0.001
    assert losses[1] - losses[0] == pytest.approx(divergence / 4, rel=1e-3)
    assert losses[3] == losses[2]


def loss_at(trainee: AutoencoderTrainee, items_E: torch.Tensor, starts_B: torch.Tensor, step: int) -> float:
    with torch.no_grad():
        return trainee.loss(HistoryBatch(items_E, starts_B, step)).double().item()


def test_an_autoencoder_reads_each_item_of_a_user_once() -> None:
    twice = ListSplit(3, ItemLists.of([[2, 0, 2], [], [1]]), *[checkerboard_world().valid.take(slice(0, 0))] * 2)
    spec = MultDaeSpec(kind="mult-dae", batch_size=5, latent=2)
    (batch,) = build_mult_dae(spec, twice).epoch(0)
    starts = [*batch.starts_B.tolist(), len(batch.items_E)]
    histories = sorted(batch.items_E[a:b].tolist() for a, b in pairwise(starts))
    assert histories == [[0, 2], [1]]


def test_components_that_the_data_does_not_name() -> None:
    with pytest.raises(ConfigError, match=r"model.components: expected data.items with categories or numbers"):
        build_acf(WITH_COMPONENTS, checkerboard_world())


def test_components_that_do_not_fit_into_memory() -> None:
    many = WITH_COMPONENTS.model_copy(update={"batch_size": 2**20, "max_history": 2**10})
    with pytest.raises(ConfigError, match=r"expected components of 1024 MiB at most, received 24576 MiB for 3 labels"):
        build_acf(many, with_labels(checkerboard_world()))


def test_attention_reads_components() -> None:
    """Scores as they are trained and as they are served are the same."""
    split = checkerboard_world()
    trainee = build_acf(WITH_COMPONENTS, with_labels(split), seed=1)
    components_VMF = trainee.network.components.components_VMF
    assert components_VMF[0].tolist() == [[1, 0, 0], [0, 0, 1]]
    assert components_VMF[1].tolist() == [[0, 1, 0], [0, 0, 0]]
    train_lists(trainee, LoopSettings(epochs=2, learning_rate=0.03), None)
    users = torch.arange(len(split.train))
    # No history holds what is left out, an item that nobody took in training: all of it is read, as it is served.
    every_item = torch.arange(split.num_items).expand(len(users), -1)
    served_RV = trainee.recommender().score(type(split.test)(split.train, split.test.targets, np.arange(len(users))))
    with torch.no_grad():
        for user in range(0, len(users), 9):
            history = split.train[user][-5:]
            first = next(item for item in range(split.num_items) if item not in history)
            row = torch.cat([torch.tensor([first]), every_item[user]])
            scores = trainee.network(users[user : user + 1], row[None])[0, 1:]
            np.testing.assert_allclose(served_RV[user], scores.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("layers", "normalize"), [(0, False), (1, False), (3, False), (2, True)])
@pytest.mark.parametrize("popularity", [0.0, 0.1])
def test_lightgcn_folds_histories_in_to_what_it_was_trained_to(layers: int, normalize: bool, popularity: float) -> None:
    split = checkerboard_world()
    spec = LightGcnSpec(
        kind="lightgcn", batch_size=64, dimension=8, layers=layers, normalize=normalize, popularity=popularity
    )
    network = build_lightgcn(spec, split, seed=1).network
    assert isinstance(network, LightGCN)
    nothing = targets_of(np.zeros(len(split.train), np.int64))
    asked = Questions(split.train, nothing, np.arange(len(split.train)))
    folded, trained = network.folding_recommender(), network.recommender()
    np.testing.assert_allclose(folded.score(asked), trained.score(asked), atol=1e-6)
    strangers = replace(asked, users_R=np.full(len(split.train), NOBODY))
    assert folded.score(strangers).any() == (layers > 0 or popularity > 0), "without a step histories say nothing"
