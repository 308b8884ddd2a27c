"""Examples of the next item: what a batch holds, how negatives are drawn, and which positions teach."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.data.item_lists import ItemLists
from aisle.models.sequential.sequence_model import SequenceModel
from aisle.models.sequential.youtube_dnn import YouTubeDNN
from aisle.nn.full_softmax import full_softmax
from aisle.nn.item_losses import LossKind, sampled_loss
from aisle.train.lists.next_item import NextItemSettings, NextItemTrainee, SequenceBatch
from aisle.train.lists.tasks import Cloze

#: List r begins with item r, which no other holds; behind it stand 1 to 9 items from 100 on.
LISTS = ItemLists.of([[row, *range(100, 101 + row % 9)] for row in range(50)])
NUM_ITEMS = 120


class Same(nn.Module):
    """What is expected next is what stands there."""

    def forward(self, embedded_BTD: Tensor, is_item_BT: Tensor) -> Tensor:
        return embedded_BTD


def trainee_of(lists: ItemLists = LISTS, num_items: int = NUM_ITEMS, **settings: Any) -> NextItemTrainee:
    generator = torch.Generator().manual_seed(0)
    model = SequenceModel(num_items, 4, Same(), normalize=False, generator=generator)
    return NextItemTrainee(model, lists, num_items, NextItemSettings(**{"batch_size": 4, **settings}))


def test_every_list_once_an_epoch() -> None:
    trainee = trainee_of()
    for number in (0, 1):
        batches = list(trainee.epoch(number))
        assert len(batches) == trainee.num_batches == 13
        firsts = torch.cat([batch.items_BT[:, 0] for batch in batches])
        assert sorted(firsts.tolist()) == list(range(50))


def test_a_batch_holds_what_came_and_what_came_next() -> None:
    for batch in trainee_of().epoch(0):
        for items_T, targets_T in zip(batch.items_BT.tolist(), batch.targets_BT.tolist(), strict=True):
            row = items_T[0]
            expected = [row, *range(100, 101 + row % 9)]
            size = len(expected) - 1
            assert targets_T == expected[1:] + [-1] * (len(targets_T) - size)
            assert items_T[: size + 1] == expected[: len(items_T)], "the last item is read where there is room"
        assert batch.negatives_S is None


def test_a_batch_holds_lists_of_similar_lengths() -> None:
    padded = sum(batch.targets_BT.numel() for batch in trainee_of(batch_size=5).epoch(0))
    said = int((LISTS.sizes_R - 1).sum())
    assert padded < 1.3 * said, "unsorted batches would hold about 1.7 times as many"


def test_epochs_differ_and_are_the_same_again() -> None:
    def first_items(trainee: NextItemTrainee, number: int) -> list[int]:
        return [int(item) for batch in trainee.epoch(number) for item in batch.items_BT[:, 0]]

    one, other = trainee_of(seed=1), trainee_of(seed=2)
    assert first_items(one, 3) == first_items(trainee_of(seed=1), 3)
    assert first_items(one, 3) != first_items(one, 4)
    assert first_items(one, 3) != first_items(other, 3)


def test_only_the_end_of_a_long_list_is_read() -> None:
    trainee = trainee_of(ItemLists.of([[0, 1, 2, 3, 4, 5]]), max_length=3)
    (batch,) = trainee.epoch(0)
    assert batch.items_BT.tolist() == [[2, 3, 4]]
    assert batch.targets_BT.tolist() == [[3, 4, 5]]


def test_known_items_are_left_out_where_it_is_told() -> None:
    lists = ItemLists.of([[0, 1, 2], [3, 4]])
    trainee = trainee_of(lists, 5, skip_known=True)
    (batch,) = trainee.epoch(0)
    items_VD = trainee.network.item_vectors()
    moves, is_known_NV = torch.tensor([[0, 1], [1, 2], [3, 4]]), torch.zeros(3, 5, dtype=torch.bool)
    is_known_NV[[0, 1, 1, 2], [0, 0, 1, 3]] = True
    scores_NV = (items_VD[moves[:, 0]] @ items_VD.T).masked_fill(is_known_NV, -torch.inf)
    assert trainee.loss(batch).item() == pytest.approx(functional.cross_entropy(scores_NV, moves[:, 1]).item())


def test_a_cloze_leaves_out_what_a_list_shows_on_both_sides() -> None:
    """Other hidden items are not known: they are told apart from the target."""
    model = SequenceModel(7, 4, Same(), normalize=False, generator=torch.Generator().manual_seed(0))
    settings = NextItemSettings(batch_size=2, skip_known=True)
    trainee = NextItemTrainee(model, ItemLists.of([[0]]), 7, settings, task=Cloze(mask=6, share=0.5, last_share=0.0))
    batch = SequenceBatch(torch.tensor([[6, 1, 6, 3]]), torch.tensor([[0, -1, 2, -1]]), None)
    scores_V = model.items @ model.items[6]
    is_known_V = torch.zeros(7, dtype=torch.bool)
    is_known_V[[1, 3]] = True
    log_shares_V = scores_V.masked_fill(is_known_V, -torch.inf).log_softmax(0)
    assert trainee.loss(batch).item() == pytest.approx(-(log_shares_V[0] + log_shares_V[2]).item() / 2)


def test_a_list_of_one_item_says_nothing() -> None:
    trainee = trainee_of(ItemLists.of([[7], [], [1, 2]]))
    assert [batch.items_BT.tolist() for batch in trainee.epoch(0)] == [[[1]]]
    assert trainee_of(ItemLists.of([[7], []])).num_batches == 0


def test_negatives_are_drawn_by_seed_and_epoch() -> None:
    def negatives(number: int, seed: int) -> list[int]:
        trainee = trainee_of(num_negatives=6, loss="bce", seed=seed)
        drawn = [batch.negatives_S for batch in trainee.epoch(number)]
        assert all(one is not None and one.shape == (6,) for one in drawn)
        return [int(item) for one in drawn if one is not None for item in one]

    assert negatives(0, 1) == negatives(0, 1)
    assert negatives(0, 1) != negatives(1, 1)
    assert negatives(0, 1) != negatives(0, 2)
    assert len(set(negatives(0, 1))) > 30, "batches have negatives of their own"


def test_hard_negatives_are_chosen_among_distinct_ones() -> None:
    """Of eight draws of three items each counts once; the hardest of them is the one that scores highest."""
    lists = ItemLists.of([[0, 1], [2, 1]])
    trainee = trainee_of(lists, 3, num_negatives=8, loss="bpr", hard=1, seed=1)
    (batch,) = trainee.epoch(0)
    assert batch.negatives_S is not None
    assert batch.negatives_S.tolist() == [0, 1, 2]
    items_VD = trainee.network.item_vectors()
    scores_NV = items_VD[batch.items_BT[:, 0]] @ items_VD.T
    gaps_N = scores_NV[:, 1] - scores_NV[:, [0, 2]].amax(1)
    assert trainee.loss(batch).item() == pytest.approx(functional.softplus(-gaps_N).mean().item(), rel=1e-5)


@pytest.mark.parametrize(("power", "share"), [(0.0, 0.25), (1.0, 0.7), (0.5, 7**0.5 / (7**0.5 + 1 + 1 + 1))])
def test_negatives_follow_how_often_items_occur(power: float, share: float) -> None:
    lists = ItemLists.of([[0, 0, 0, 0, 1], [0, 0, 0, 2, 3]])
    trainee = trainee_of(lists, 4, num_negatives=20_000, popularity_power=power)
    (batch,) = trainee.epoch(0)
    assert batch.negatives_S is not None
    assert float((batch.negatives_S == 0).float().mean()) == pytest.approx(share, abs=0.015)


def test_only_positions_with_a_target_teach() -> None:
    lists = ItemLists.of([[0, 1, 2], [3, 4]])
    trainee = trainee_of(lists, 5, temperature=0.5)
    (batch,) = trainee.epoch(0)
    items_VD = trainee.network.item_vectors()
    moves = torch.tensor([[0, 1], [1, 2], [3, 4]])
    expected = full_softmax(items_VD[moves[:, 0]], items_VD, moves[:, 1], 0.5)
    assert trainee.loss(batch).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("log_q", [False, True])
def test_the_softmax_over_drawn_negatives_corrects_where_it_is_told(log_q: bool) -> None:
    lists = ItemLists.of([[0, 1, 0, 0], [0, 2]])  # item 0 is 4 of 6, items 1 and 2 one each
    trainee = trainee_of(lists, 3, num_negatives=3, popularity_power=1.0, log_q=log_q)
    (batch,) = trainee.epoch(0)
    assert batch.negatives_S is not None
    items_VD = trainee.network.item_vectors()
    has_target_BT = batch.targets_BT >= 0
    log_expected_S = torch.log(3 * torch.tensor([4, 1, 1]) / 6)[batch.negatives_S] if log_q else None
    expected = sampled_loss(
        "softmax",
        items_VD[batch.items_BT[has_target_BT]],
        items_VD,
        batch.targets_BT[has_target_BT],
        batch.negatives_S,
        log_expected_S=log_expected_S,
    )
    assert trainee.loss(batch).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("kind", ["softmax", "bce", "gbce", "bpr", "bpr-max", "top1-max"])
@pytest.mark.parametrize("is_own", [False, True])
def test_a_step_that_takes_its_items_alone_learns_as_one_that_takes_all(kind: LossKind, is_own: bool) -> None:
    """Also where items have other vectors where they are sought."""
    lists = ItemLists.of([[0, 1, 5, 1], [2, 3], [5, 0]])
    frame: type[SequenceModel] = YouTubeDNN if is_own else SequenceModel
    model = frame(40, 4, Same(), normalize=True, generator=torch.Generator().manual_seed(0))
    settings = NextItemSettings(batch_size=4, num_negatives=6, loss=kind, temperature=0.5)
    trainee = NextItemTrainee(model, lists, 40, settings)
    (batch,) = trainee.epoch(0)
    assert batch.negatives_S is not None
    has_target_BT = batch.targets_BT >= 0
    queries_ND = model(batch.items_BT)[has_target_BT]
    targets_N = batch.targets_BT[has_target_BT]
    whole = sampled_loss(kind, queries_ND, model.item_vectors(), targets_N, batch.negatives_S, temperature=0.5)
    expected = torch.autograd.grad(whole, list(model.parameters()))
    loss = trainee.loss(batch)
    assert loss.item() == pytest.approx(whole.item(), rel=1e-5)
    for received, gradient in zip(torch.autograd.grad(loss, list(model.parameters())), expected, strict=True):
        torch.testing.assert_close(received, gradient)


@pytest.mark.parametrize("log_q", [False, True])
def test_what_other_lists_of_the_batch_seek_by_hand(log_q: bool) -> None:
    """The first list seeks 1 and 2, the second 2: the items 1 and 2 occur 2 and 3 times of 7."""
    lists = ItemLists.of([[0, 1, 2], [1, 2], [2], [3]])
    trainee = trainee_of(lists, 4, in_batch=True, log_q=log_q)
    (batch,) = trainee.epoch(0)
    assert batch.negatives_S is None
    # Three positions in two lists: others seek 1.5 on average. Only 2 stands against 1, and 1 against the second 2.
    weights = [1 / (1 - (1 - share) ** 1.5) if log_q else 1.0 for share in (3 / 7, 2 / 7)]
    scores_VV = (trainee.network.item_vectors() @ trainee.network.item_vectors().T).exp()
    first = scores_VV[0, 1] / (scores_VV[0, 1] + weights[0] * scores_VV[0, 2])
    second = scores_VV[1, 2] / (scores_VV[1, 2] + weights[1] * scores_VV[1, 1])
    # The 2 of the first list has no negative: the second list seeks 2 alone, which is its target.
    expected = -(first.log() + second.log()) / 3
    assert trainee.loss(batch).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_hardest_of_what_others_seek() -> None:
    lists = ItemLists.of([[0, 1], [0, 2], [0, 3]])
    trainee = trainee_of(lists, 4, in_batch=True, loss="bpr", hard=1)
    (batch,) = trainee.epoch(0)
    items_VD = trainee.network.item_vectors()
    scores = (items_VD @ items_VD[0]).tolist()[1:]
    gaps = [score - max(scores[:row] + scores[row + 1 :]) for row, score in enumerate(scores)]
    expected = functional.softplus(-torch.tensor(gaps)).mean()
    assert trainee.loss(batch).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_trainee_asks_as_its_task_says() -> None:
    generator = torch.Generator().manual_seed(0)
    model = SequenceModel(6, 4, Same(), normalize=False, generator=generator)
    cloze = Cloze(mask=5, share=0.5, last_share=0.5)
    lists = ItemLists.of([[0, 1, 2], [3, 4]])
    trainee = NextItemTrainee(model, lists, 6, NextItemSettings(batch_size=2), task=cloze)
    epochs = [[(one.items_BT.tolist(), one.targets_BT.tolist()) for one in trainee.epoch(n)] for n in (0, 0, 1, 2)]
    assert epochs[0] == epochs[1], "what is hidden depends on the seed and the epoch alone"
    assert any(epochs[0] != other for other in epochs[2:])


def test_only_the_softmax_can_do_without_negatives() -> None:
    with pytest.raises(ValueError, match="num_negatives: expected 1 or more for the loss bpr, received 0"):
        trainee_of(loss="bpr")
    with pytest.raises(ValueError, match="num_negatives: expected 1 or more for hard negatives, received 0"):
        trainee_of(hard=2)
    with pytest.raises(ValueError, match="num_negatives: expected 0 with in_batch, received 8"):
        trainee_of(num_negatives=8, in_batch=True)


def test_scores_are_cosines_where_they_are_told_to_be() -> None:
    generator = torch.Generator().manual_seed(0)
    model = SequenceModel(6, 4, Same(), normalize=True, generator=generator)
    items_BT = torch.tensor([[0, 1, 2], [3, 4, -1]])
    with torch.no_grad():
        scores = model(items_BT) @ model.item_vectors().T
    assert scores[0, 1].max().item() == pytest.approx(scores[0, 1, 1].item()) == pytest.approx(1.0)
    assert np.abs(scores.numpy()).max() <= 1 + 1e-6
