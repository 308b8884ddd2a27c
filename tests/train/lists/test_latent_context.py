"""NCF with a latent context: the contract of recommenders, what a batch holds, and what is saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from aisle.bundle import Bundle, BundleWriter
from aisle.data.item_lists import ItemLists
from aisle.data.questions import ListSplit
from aisle.evaluate.full_ranking import ListRecommender, evaluate_split
from aisle.pipeline.sequence_encoder import SequenceEncoder
from aisle.recipe.list_models.sequential import SlcmSpec
from aisle.retrieval.networks import ContextNetwork
from aisle.train.lists.encoder_export import export_encoder
from aisle.train.lists.latent_context import LatentContextTrainee, build_slcm
from aisle.train.lists.loop import LoopSettings, train_lists
from tests.contracts.list_recommenders import ListRecommenderContract, cycle_world

SPEC = SlcmSpec(
    kind="slcm",
    batch_size=16,
    max_length=20,
    negatives=8,
    dimension=4,
    context=16,
    hidden=[32, 16],
    cell="gru",
    dropout=0.1,
)
#: Users are few: as in a recipe, the validation chooses an epoch before their lists are known by heart.
SETTINGS = LoopSettings(epochs=60, learning_rate=0.01, evaluate_every=5, patience=12)

#: What was exported of an encoder with these weights; exporting takes longer than training.
_EXPORTED: dict[bytes, SequenceEncoder] = {}


class TestSlcm(ListRecommenderContract):
    knows_users = True
    tolerance = 1e-4

    def fit(self, split: ListSplit) -> ContextNetwork:
        trainee = build_slcm(SPEC, split, seed=1)

        def judge(recommender: ListRecommender) -> float:
            return float(evaluate_split(recommender, split, ["ndcg@3"], part="valid")["valid/ndcg@3/full"].mean())

        train_lists(trainee, SETTINGS, judge)
        trained = trainee.recommender()
        weights = b"".join(tensor.numpy().tobytes() for tensor in trainee.network.context.state_dict().values())
        if weights not in _EXPORTED:
            _EXPORTED[weights] = export_encoder(trainee.network.context, SPEC.max_length)
        return ContextNetwork(trained.pairs, _EXPORTED[weights], trained.context_XH)


def trainee_of(split: ListSplit) -> LatentContextTrainee:
    return build_slcm(SPEC, split, seed=3)


def test_a_batch_asks_at_each_position_of_each_user() -> None:
    split = cycle_world()
    lists = ItemLists.of([[5], [1, 2, 3], [7, 8]])
    trainee = LatentContextTrainee(trainee_of(split).network, lists, 20, SPEC, seed=0)
    (batch,) = trainee.epoch(0)
    asked = {}
    users_N = batch.users_B[:, None].expand_as(batch.has_target_BT)[batch.has_target_BT]
    for user, read, items_C in zip(users_N, batch.items_BT[batch.has_target_BT], batch.items_NC, strict=True):
        asked[int(user), int(read)] = int(items_C[0])
        assert items_C.shape == (1 + SPEC.negatives,)
    assert asked == {(1, 1): 2, (1, 2): 3, (2, 7): 8}, "the list of one item says nothing"


def test_of_long_lists_all_but_the_first_item_is_sought() -> None:
    lists = ItemLists.of([[0], [0, 1, 2, 3], [], [4, 5, 6], [7, 8]])
    spec = SPEC.model_copy(update={"max_length": 2})
    trainee = LatentContextTrainee(trainee_of(cycle_world()).network, lists, 20, spec, seed=0)
    (batch,) = trainee.epoch(0)
    sought = []
    for user, is_target_T, targets in zip(
        batch.users_B.tolist(),
        batch.has_target_BT,
        torch.split(batch.items_NC, batch.has_target_BT.sum(1).tolist()),
        strict=True,
    ):
        sought += [(user, int(item)) for item in targets[:, 0]]
        assert is_target_T.sum() <= 2
    assert sorted(sought) == [(1, 1), (1, 2), (1, 3), (3, 5), (3, 6), (4, 8)]


def test_what_serves_scores_as_the_network(tmp_path: Path) -> None:
    split = cycle_world()
    trainee = trainee_of(split)
    trainee.network.eval()
    questions = split.test.take(np.arange(6))
    served = trainee.recommender()
    scores_RV = served.score(questions)
    with torch.no_grad():
        for row in range(6):
            history = torch.from_numpy(questions.histories[row][-SPEC.max_length :].astype(np.int64))
            contexts_1X = trainee.network.context(history[None])[:, -1]
            user = torch.tensor([questions.users_R[row]])
            logits_1V = trainee.network(user, contexts_1X, torch.arange(20)[None])
            np.testing.assert_allclose(scores_RV[row], logits_1V[0].numpy(), rtol=1e-4, atol=1e-6)
    with BundleWriter(tmp_path / "bundle") as writer:
        served.save(writer, "model")
    loaded = ContextNetwork.load(Bundle.open(tmp_path / "bundle"), "model")
    np.testing.assert_allclose(loaded.score(questions), scores_RV, rtol=1e-4, atol=1e-6)


def test_context_matters_and_so_does_who_asks() -> None:
    split = cycle_world()
    trainee = trainee_of(split)
    trainee.network.eval()
    with torch.no_grad():
        trainee.network.mlp.users_UD.mul_(100)
    served = trainee.recommender()
    one, other = split.test.take(np.array([0])), split.test.take(np.array([3]))
    assert not np.allclose(served.score(one), served.score(other))
    assert not np.allclose(served.score(one), served.score(replace(one, users_R=other.users_R)))
    assert not np.allclose(served.score(one), served.score(replace(one, histories=other.histories)))
