"""Softmax from a sample of the catalogue, against values worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from aisle.nn.softmax_losses import sampled_softmax

LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])


def hits_of(*rows: tuple[int, ...]) -> torch.Tensor:
    hits = torch.zeros(len(rows), 3, dtype=torch.bool)
    for number, columns in enumerate(rows):
        hits[number, list(columns)] = True
    return hits


def test_in_batch_softmax_by_hand() -> None:
    loss = sampled_softmax(LOGITS, torch.tensor([[0], [1]]), hits_of((0,), (1,)))
    first = -math.log(math.exp(2) / (math.exp(2) + math.exp(1) + math.exp(0)))
    second = -math.log(math.exp(3) / (math.exp(0) + math.exp(3) + math.exp(1)))
    assert float(loss) == pytest.approx((first + second) / 2, rel=1e-6)


def test_a_hit_is_no_negative() -> None:
    # The first query also took the item of column 1: only column 2 is a negative.
    loss = sampled_softmax(LOGITS[:1], torch.tensor([[0]]), hits_of((0, 1)))
    assert float(loss) == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + 1)), rel=1e-6)


def test_each_negative_stands_for_the_items_it_was_drawn_from() -> None:
    # Column 2 is in one batch of four: it stands for four items of its score.
    log_inclusion = torch.log(torch.tensor([1.0, 1.0, 0.25]))
    loss = sampled_softmax(LOGITS[:1], torch.tensor([[0]]), hits_of((0,)), log_inclusion)
    assert float(loss) == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + math.exp(1) + 4)), rel=1e-6)
    popular_positive = torch.log(torch.tensor([0.5, 1.0, 0.25]))
    assert sampled_softmax(LOGITS[:1], torch.tensor([[0]]), hits_of((0,)), popular_positive) == loss


def test_several_positives_do_not_compete() -> None:
    loss = sampled_softmax(LOGITS[:1], torch.tensor([[0, 1, -1]]), hits_of((0, 1)))
    first = -math.log(math.exp(2) / (math.exp(2) + 1))
    second = -math.log(math.exp(1) / (math.exp(1) + 1))
    assert float(loss) == pytest.approx((first + second) / 2, rel=1e-6)


def test_a_query_without_negatives_teaches_nothing() -> None:
    logits = LOGITS[:1].clone().requires_grad_()
    loss = sampled_softmax(logits, torch.tensor([[0]]), hits_of((0, 1, 2)))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert logits.grad is not None and torch.equal(logits.grad, torch.zeros(1, 3))


def test_with_all_items_the_estimate_is_the_full_softmax_in_expectation() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 40, generator=draw)
    inclusion = torch.rand(40, generator=draw) * 0.5 + 0.3
    weights = (logits - inclusion.log()).exp()[0]
    drawn = torch.rand(20_000, 40, generator=draw) < inclusion
    estimates = (weights * drawn).sum(dim=1)
    assert float(estimates.mean()) == pytest.approx(float(logits.exp().sum()), rel=0.01)
