"""Losses of rankers against values worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from aisle.nn.losses import listwise_softmax, multi_task_bce, weighted_bce

# One of two was taken, and the other stands for three; nothing was taken; two of three were taken.
LOGITS = torch.tensor([1.0, 0.0, 2.0, 0.0, 1.0, 2.0])
LABELS = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
WEIGHTS = torch.tensor([1.0, 3.0, 1.0, 1.0, 1.0, 1.0])
LISTS = torch.tensor([0, 0, 1, 2, 2, 2])
FIRST = math.log((math.e + 3) / math.e)
THIRD = 2 * math.log(1 + math.e + math.e**2) - 1  # both positives: logits 0 and 1


def loss_of(logits: torch.Tensor, power: float) -> float:
    return float(listwise_softmax(logits, LABELS, WEIGHTS, LISTS, power=power))


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (0.0, (FIRST + THIRD) / 3),  # each of three positives
        (1.0, (FIRST + THIRD / 2) / 2),  # each of two lists with a positive
        (0.5, (FIRST + THIRD / math.sqrt(2)) / (1 + math.sqrt(2))),
    ],
)
def test_listwise_softmax_by_hand(power: float, expected: float) -> None:
    assert loss_of(LOGITS, power) == pytest.approx(expected, rel=1e-6)


def test_a_sampled_negative_counts_as_the_many_it_stands_for() -> None:
    whole = torch.tensor([1.0, 0.0, 0.0, 0.0])
    labels, lists = torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.zeros(4, dtype=torch.int64)
    sampled = listwise_softmax(whole[:2], labels[:2], torch.tensor([1.0, 3.0]), lists[:2])
    assert float(sampled) == pytest.approx(float(listwise_softmax(whole, labels, torch.ones(4), lists)), rel=1e-6)


def test_a_list_without_positives_teaches_nothing() -> None:
    logits = LOGITS.clone().requires_grad_()
    listwise_softmax(logits, LABELS, WEIGHTS, LISTS).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[2] == 0 and (logits.grad[[0, 1, 3, 5]] != 0).all()
    nothing = listwise_softmax(LOGITS, torch.zeros(6), WEIGHTS, LISTS)
    assert float(nothing) == 0


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_what_all_logits_of_a_list_have_in_common_means_nothing(power: float) -> None:
    shifted = LOGITS + torch.tensor([100.0, -300.0, 7.0])[LISTS]
    assert loss_of(shifted, power) == pytest.approx(loss_of(LOGITS, power), rel=1e-5)


def test_log_loss_by_hand() -> None:
    loss = weighted_bce(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 0.0]), torch.tensor([1.0, 3.0]))
    assert float(loss) == pytest.approx((math.log(2) + 3 * math.log(1 + math.e**2)) / 4, rel=1e-6)


def test_the_loss_of_several_tasks_is_the_sum_of_each_ones() -> None:
    logits, labels = torch.stack([LOGITS, -LOGITS], dim=1), torch.stack([LABELS, 1 - LABELS], dim=1)
    weights = torch.stack([WEIGHTS, WEIGHTS.flip(0)], dim=1)
    expected = [weighted_bce(logits[:, task], labels[:, task], weights[:, task]) for task in range(2)]
    torch.testing.assert_close(multi_task_bce(logits, labels, weights), sum(expected, torch.zeros(())))
    weights[:, 1] = 0
    found = multi_task_bce(logits.requires_grad_(), labels, weights)
    torch.testing.assert_close(found, expected[0])
    assert torch.autograd.grad(found, logits)[0][:, 1].tolist() == [0] * 6, "of which no row says anything"
