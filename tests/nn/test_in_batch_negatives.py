"""Negatives of a batch by hand: what counts where, how probable it is, and that the loss is that of two towers."""

from __future__ import annotations

import math

import pytest
import torch

from aisle.nn.in_batch_negatives import in_batch_negatives, log_inclusion
from aisle.nn.item_losses import LossKind, sampled_loss
from aisle.nn.softmax_losses import sampled_softmax

#: Three sequences: the first seeks the items 11 and 12, the second 12 and 13, the third 14.
TARGETS = torch.tensor([11, 12, 12, 13, 14])
SEQUENCES = torch.tensor([0, 0, 1, 1, 2])
KINDS: list[LossKind] = ["softmax", "bce", "bpr", "bpr-max", "top1-max"]


def test_what_other_sequences_seek_counts_but_for_the_target() -> None:
    items_S, is_negative_NS = in_batch_negatives(TARGETS, SEQUENCES)
    assert items_S.tolist() == [11, 12, 13, 14]
    assert [items_S[row].tolist() for row in is_negative_NS] == [
        [12, 13, 14],  # its own sequence seeks 12 later on, another one does too
        [13, 14],  # 12 is its target, 11 is sought by its own sequence alone
        [11, 14],
        [11, 12, 14],
        [11, 12, 13],
    ]


def test_one_sequence_has_no_negatives() -> None:
    items_S, is_negative_NS = in_batch_negatives(torch.tensor([3, 5, 3]), torch.tensor([0, 0, 0]))
    assert items_S.tolist() == [3, 5] and not is_negative_NS.any()


@pytest.mark.parametrize("kind", KINDS)
def test_positions_without_negatives_have_finite_gradients(kind: LossKind) -> None:
    items_VD = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    targets_N = torch.tensor([3, 5, 3])
    items_S, is_negative_NS = in_batch_negatives(targets_N, torch.zeros(3, dtype=torch.long))
    loss = sampled_loss(kind, torch.ones(3, 2), items_VD, targets_N, items_S, is_negative_NS=is_negative_NS)
    loss.backward()  # type: ignore[no-untyped-call]
    assert items_VD.grad is not None and torch.isfinite(items_VD.grad).all()


def test_how_probable_an_item_is() -> None:
    logs = log_inclusion(torch.tensor([0.5, 0.1, 1.0]), 2)
    assert logs.exp().tolist() == pytest.approx([0.75, 0.19, 1.0], rel=1e-5)
    rare = log_inclusion(torch.tensor([1e-6]), 1000)
    assert rare.item() == pytest.approx(math.log(1e-3), abs=1e-3), "rare items are met as often as they are expected"


def test_what_is_met_by_half_the_batches_counts_twice() -> None:
    """The target scores 1; of the negatives with scores 0 and 2 the second is in half of the batches."""
    items_VD = torch.tensor([[1.0], [0.0], [2.0]])
    log_expected_S = torch.tensor([0.0, 1.0, 0.5]).log()
    loss = sampled_loss(
        "softmax",
        torch.ones(1, 1),
        items_VD,
        torch.tensor([0]),
        torch.arange(3),
        log_expected_S=log_expected_S,
        is_negative_NS=torch.tensor([[False, True, True]]),
    )
    expected = -math.log(math.exp(1) / (math.exp(1) + math.exp(0) + 2 * math.exp(2)))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_each_position_is_measured_against_its_own_negatives(kind: LossKind) -> None:
    draw = torch.Generator().manual_seed(0)
    queries_ND, items_VD = torch.randn(5, 3, generator=draw), torch.randn(15, 3, generator=draw)
    items_S, is_negative_NS = in_batch_negatives(TARGETS, SEQUENCES)
    loss = sampled_loss(kind, queries_ND, items_VD, TARGETS, items_S, is_negative_NS=is_negative_NS)
    negatives = [[12, 13, 14], [13, 14], [11, 14], [11, 12, 14], [11, 12, 13]]
    each = [
        sampled_loss(kind, queries_ND[[row]], items_VD, TARGETS[[row]], torch.tensor(items)).item()
        for row, items in enumerate(negatives)
    ]
    assert loss.item() == pytest.approx(sum(each) / 5, rel=1e-5)


def test_the_softmax_is_that_of_two_towers() -> None:
    draw = torch.Generator().manual_seed(1)
    queries_ND, items_VD = torch.randn(5, 3, generator=draw), torch.randn(15, 3, generator=draw)
    items_S, is_negative_NS = in_batch_negatives(TARGETS, SEQUENCES)
    log_inclusion_S = log_inclusion(torch.tensor([0.1, 0.4, 0.2, 0.3]), 3)
    positives_NP = torch.searchsorted(items_S, TARGETS)[:, None]
    expected = sampled_softmax(queries_ND @ items_VD[items_S].T / 0.5, positives_NP, ~is_negative_NS, log_inclusion_S)
    loss = sampled_loss(
        "softmax",
        queries_ND,
        items_VD,
        TARGETS,
        items_S,
        temperature=0.5,
        log_expected_S=log_inclusion_S,
        is_negative_NS=is_negative_NS,
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
