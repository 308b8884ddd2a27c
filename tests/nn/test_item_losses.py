"""Losses of the next item: one position by hand, and what counts as a negative."""

from __future__ import annotations

import math

import pytest
import torch

from aisle.nn.full_softmax import full_softmax
from aisle.nn.item_losses import SAMPLED_LOSSES, LossKind, sampled_loss

KINDS: list[LossKind] = ["softmax", "bce", "gbce", "bpr", "bpr-max", "top1-max"]
#: One query, and items whose scores are 2, 1, 0, -1, 5: the vectors have one value.
QUERY = torch.ones(1, 1)
ITEMS = torch.tensor([[2.0], [1.0], [0.0], [-1.0], [5.0]])
TARGET = torch.tensor([0])
NEGATIVES = torch.tensor([1, 2])


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def weights_of(first: float, second: float) -> tuple[float, float]:
    """The softmax of two numbers."""
    total = math.exp(first) + math.exp(second)
    return math.exp(first) / total, math.exp(second) / total


def by_hand(kind: str, calibration: float = 0.75) -> float:
    """The loss of a target of score 2 against negatives of scores 1 and 0, in a catalogue of 5."""
    target, one, other = 2.0, 1.0, 0.0
    against = [-math.log(1 - sigmoid(negative)) for negative in (one, other)]
    weights = weights_of(one, other)
    if kind == "softmax":
        return -math.log(math.exp(target) / (math.exp(target) + math.exp(one) + math.exp(other)))
    if kind == "bce":
        return -math.log(sigmoid(target)) + sum(against) / 2
    if kind == "gbce":  # 2 negatives of 4 others: the rate is .5
        power = 0.5 * (calibration * (1 - 1 / 0.5) + 1 / 0.5)
        return -power * math.log(sigmoid(target)) + sum(against)
    if kind == "bpr":
        return -(math.log(sigmoid(target - one)) + math.log(sigmoid(target - other))) / 2
    if kind == "bpr-max":
        above = weights[0] * sigmoid(target - one) + weights[1] * sigmoid(target - other)
        return -math.log(above) + weights[0] * one**2 + weights[1] * other**2
    gaps = sigmoid(one - target) + sigmoid(one**2), sigmoid(other - target) + sigmoid(other**2)
    return weights[0] * gaps[0] + weights[1] * gaps[1]


@pytest.mark.parametrize("kind", KINDS)
def test_one_position_by_hand(kind: LossKind) -> None:
    loss = sampled_loss(kind, QUERY, ITEMS, TARGET, NEGATIVES)
    assert loss.item() == pytest.approx(by_hand(kind), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_divided_by_the_temperature(kind: LossKind) -> None:
    loss = sampled_loss(kind, 3 * QUERY, ITEMS, TARGET, NEGATIVES, temperature=3.0)
    assert loss.item() == pytest.approx(by_hand(kind), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_mean_over_positions(kind: LossKind) -> None:
    queries_ND, targets_N = torch.tensor([[1.0], [0.5]]), torch.tensor([0, 3])
    both = sampled_loss(kind, queries_ND, ITEMS, targets_N, NEGATIVES)
    each = [sampled_loss(kind, queries_ND[[n]], ITEMS, targets_N[[n]], NEGATIVES).item() for n in (0, 1)]
    assert both.item() == pytest.approx(sum(each) / 2, rel=1e-5)


@pytest.mark.parametrize("calibration", [0.0, 0.75, 1.0])
def test_the_calibration_of_gbce(calibration: float) -> None:
    loss = sampled_loss("gbce", QUERY, ITEMS, TARGET, NEGATIVES, calibration=calibration)
    assert loss.item() == pytest.approx(by_hand("gbce", calibration), rel=1e-5)


def test_gbce_against_all_others_raises_to_no_power() -> None:
    all_others = torch.tensor([1, 2, 3, 4])
    loss = sampled_loss("gbce", QUERY, ITEMS, TARGET, all_others)
    expected = -math.log(sigmoid(2)) - sum(math.log(1 - sigmoid(score)) for score in (1, 0, -1, 5))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", sorted(SAMPLED_LOSSES))
def test_a_negative_that_is_the_target_does_not_count(kind: LossKind) -> None:
    """The target among the negatives changes neither the loss nor its gradient."""
    results = []
    for negatives_S in (NEGATIVES, torch.tensor([0, 1, 0, 2])):
        items_VD = ITEMS.clone().requires_grad_()
        loss = sampled_loss(kind, QUERY, items_VD, TARGET, negatives_S)
        loss.backward()  # type: ignore[no-untyped-call]
        assert items_VD.grad is not None
        results.append((loss.item(), items_VD.grad))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    torch.testing.assert_close(results[0][1], results[1][1])


def test_gbce_does_not_count_the_target_either() -> None:
    items_VD = ITEMS[:3]  # 2 negatives of 2 others, and 3 draws: the rate is 1 for both
    losses = [sampled_loss("gbce", QUERY, items_VD, TARGET, torch.tensor(rows)) for rows in ([1, 2], [0, 1, 2])]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_position_without_a_negative_leaves_the_others_alone(kind: LossKind) -> None:
    items_VD = ITEMS.clone().requires_grad_()
    queries_ND, targets_N = torch.ones(2, 1), torch.tensor([1, 0])
    loss = sampled_loss(kind, queries_ND, items_VD, targets_N, torch.tensor([1]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() < 3 and items_VD.grad is not None
    assert torch.isfinite(items_VD.grad).all()
    assert items_VD.grad[0] < 0, "the target of the second position is pushed up"


#: The losses that may count hard negatives alone.
HARD_KINDS: list[LossKind] = ["softmax", "bce", "bpr", "bpr-max", "top1-max"]


@pytest.mark.parametrize("kind", HARD_KINDS)
def test_hard_negatives_are_the_highest_scoring_ones(kind: LossKind) -> None:
    """Of the scores -1, 1, 0 and 2 the last is the target's: 1 and 0 are left, as by hand."""
    items_VD = ITEMS.clone().requires_grad_()
    loss = sampled_loss(kind, QUERY, items_VD, TARGET, torch.tensor([3, 1, 2, 0]), hard=2)
    assert loss.item() == pytest.approx(by_hand(kind), rel=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert items_VD.grad is not None and items_VD.grad[3] == 0, "an easy negative teaches nothing"


def test_one_hard_negative_by_hand() -> None:
    loss = sampled_loss("bpr", QUERY, ITEMS, TARGET, torch.tensor([1, 2, 3, 4]), hard=1)
    assert loss.item() == pytest.approx(-math.log(sigmoid(2 - 5)), rel=1e-5)


def test_each_position_has_hard_negatives_of_its_own() -> None:
    """The second query turns the scores around: what was hard is easy."""
    queries_ND, targets_N = torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 0])
    loss = sampled_loss("bpr", queries_ND, ITEMS, targets_N, torch.tensor([1, 2, 3]), hard=1)
    assert loss.item() == pytest.approx(-(math.log(sigmoid(2 - 1)) + math.log(sigmoid(-2 - 1))) / 2, rel=1e-5)


@pytest.mark.parametrize("kind", HARD_KINDS)
def test_as_many_hard_negatives_as_there_are_count_as_all(kind: LossKind) -> None:
    draws_S = torch.tensor([0, 1, 3])
    expected = sampled_loss(kind, QUERY, ITEMS, TARGET, draws_S)
    for hard in (2, 3, 9):
        assert sampled_loss(kind, QUERY, ITEMS, TARGET, draws_S, hard=hard).item() == pytest.approx(expected.item())


def test_hard_negatives_are_refused_where_the_loss_counts_on_chance() -> None:
    with pytest.raises(ValueError, match="hard: expected 0 with gbce, which corrects for negatives as they are drawn"):
        sampled_loss("gbce", QUERY, ITEMS, TARGET, NEGATIVES, hard=1)
    with pytest.raises(ValueError, match=r"hard: expected 0 with the logQ correction, .*, received 1"):
        sampled_loss("softmax", QUERY, ITEMS, TARGET, NEGATIVES, hard=1, log_expected_S=torch.zeros(5))


def test_log_q_with_all_items_is_the_full_softmax() -> None:
    draw = torch.Generator().manual_seed(0)
    queries_ND, items_VD = torch.randn(6, 3, generator=draw), torch.randn(9, 3, generator=draw)
    targets_N = torch.arange(6)
    expected = full_softmax(queries_ND, items_VD, targets_N, 0.7)
    once = sampled_loss(
        "softmax", queries_ND, items_VD, targets_N, torch.arange(9), temperature=0.7, log_expected_S=torch.zeros(9)
    )
    assert once.item() == pytest.approx(expected.item(), rel=1e-5)
    # Item v is drawn v + 1 times, and expected so often: each draw weighs as much less.
    draws_S = torch.repeat_interleave(torch.arange(9), torch.arange(1, 10))
    log_expected_S = torch.arange(1, 10).float().log()[draws_S]
    often = sampled_loss(
        "softmax", queries_ND, items_VD, targets_N, draws_S, temperature=0.7, log_expected_S=log_expected_S
    )
    assert often.item() == pytest.approx(expected.item(), rel=1e-5)
