"""DIEN: interests along a history, the loss that teaches them, and which negatives that takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from aisle.models import AuxiliaryRanker
from aisle.models.ranking import DIEN
from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.losses import weighted_bce
from aisle.nn.sequences.interest_evolution import next_place_loss
from aisle.nn.sparse import SparseFeatures
from aisle.train.engine.batches import Batch
from aisle.train.engine.loop_settings import LoopSettings, training_loss
from tests.contracts.rankers import scrambled
from tests.rankers import generator

PLACES = 4
NUM_ITEMS = 12
TABLES = {"user": ["user"], "item": ["item", *(f"item_{n}" for n in range(PLACES))]}
HISTORIES = {"item": TABLES["item"][1:]}


def _make(**fields: Any) -> DIEN:
    tables = [
        EmbeddingBagConfig(name=name, num_embeddings=NUM_ITEMS, embedding_dim=8, feature_names=tuple(features))
        for name, features in TABLES.items()
    ]
    embeddings = EmbeddingBagCollection(tables, generator=generator())
    fields = {"num_dense": 2, "histories": HISTORIES, "length_column": 0, "deep_layers": (8,)} | fields
    return DIEN(embeddings, generator=generator(), **fields)


def _walks(num_rows: int, seed: int = 0) -> Batch:
    """Each history goes from item to item by one step; labels are drawn."""
    draw = np.random.default_rng(seed)
    first, length = draw.integers(2, NUM_ITEMS, num_rows), draw.integers(0, PLACES + 1, num_rows)
    place = np.arange(PLACES)
    history = ((first[:, None] + place - 2) % (NUM_ITEMS - 2) + 2) * (place < length[:, None])
    ids = np.column_stack([draw.integers(2, NUM_ITEMS, (num_rows, 2)), history])
    dense = torch.from_numpy(np.column_stack([length, draw.normal(size=num_rows)])).float()
    label = torch.from_numpy(draw.integers(0, 2, num_rows)).float()
    return Batch(dense, torch.from_numpy(ids), label, torch.ones(num_rows), torch.arange(num_rows))


def _call(model: DIEN, batch: Batch) -> torch.Tensor:
    return model(batch.dense_BN, SparseFeatures(batch.sparse_BS))


def test_the_score_from_its_parts() -> None:
    model = scrambled(_make())
    dense, embedded = torch.tensor([[3.0, 0.5], [0, 1]]), torch.randn(2, 6, 8, generator=generator(1))
    user, item = embedded[:, 0], embedded[:, 1]
    mask = torch.tensor([[1.0, 1, 1, 0], [0, 0, 0, 0]])
    evolved = model.evolution(item, model.extractor(embedded[:, 2:]), mask)
    inputs = torch.cat([user, item, dense[:, 1:], evolved], dim=1)
    torch.testing.assert_close(model.score(dense, embedded), model.deep(inputs)[:, 0])
    assert torch.equal(evolved[1], torch.zeros(8))


def test_places_beyond_the_length_say_nothing() -> None:
    model = scrambled(_make()).eval()
    batch = _walks(50)
    other = batch.sparse_BS.clone()
    is_free = torch.arange(PLACES) >= batch.dense_BN[:, :1]
    other[:, 2:][is_free] = 5
    assert is_free.any()
    assert torch.equal(_call(model, batch), model(batch.dense_BN, SparseFeatures(other)))


def test_the_auxiliary_loss_by_hand() -> None:
    """Two visitors with two places each; the permutation of two rows is the swap, or leaves nothing."""
    history = torch.tensor([[[9.0], [1.0]], [[9.0], [-2.0]]])
    interest = torch.tensor([[[0.5], [7.0]], [[0.25], [7.0]]])
    torch.manual_seed(_seed_of([1, 0]))
    # Log odds of the next item and of the other visitor's: .5 and -1; -.5 and .25.
    expected = [math.log1p(math.exp(one)) for one in (-0.5, -1.0, 0.5, 0.25)]
    loss = next_place_loss(interest, history, torch.ones(2, 2))
    assert float(loss) == pytest.approx(sum(expected) / 2)
    torch.manual_seed(_seed_of([0, 1]))
    assert float(next_place_loss(interest, history, torch.ones(2, 2))) == 0


def test_no_negative_is_the_positive_or_behind_a_history() -> None:
    """Place by place, by the ids, with few items, so that most permutations meet the positive somewhere."""
    draw = np.random.default_rng(5)
    ids, length = draw.integers(0, 3, (90, PLACES)), draw.integers(0, PLACES + 1, 90)
    vectors, interest = torch.randn(3, 2, generator=generator(1)), torch.randn(90, PLACES, 2, generator=generator(2))
    mask = torch.from_numpy(np.arange(PLACES) < length[:, None]).float()
    torch.manual_seed(0)
    loss = next_place_loss(interest, vectors[ids], mask)
    torch.manual_seed(0)
    order, losses, num_left_out = torch.randperm(90).tolist(), [], 0
    for row, other in enumerate(order):
        for place in range(min(length[row], length[other]) - 1):
            positive, negative = ids[row, place + 1], ids[other, place + 1]
            if positive == negative:
                num_left_out += 1
                continue
            odds = vectors[[positive, negative]] @ interest[row, place]
            losses.append(float(functional.softplus(-odds[0]) + functional.softplus(odds[1])))
    assert num_left_out > 5 and len(losses) > 10
    assert float(loss) == pytest.approx(np.mean(losses), rel=1e-5)


def test_all_histories_alike_leave_no_negative() -> None:
    history = torch.randn(1, PLACES, 2, generator=generator()).expand(5, -1, -1)
    interest = torch.randn(5, PLACES, 2, generator=generator(), requires_grad=True)
    loss = next_place_loss(interest, history, torch.ones(5, PLACES))
    loss.backward()
    assert loss.item() == 0 and not interest.grad.any()


def test_the_auxiliary_loss_falls_and_teaches_tables() -> None:
    model, batch = _make(), _walks(200)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    torch.manual_seed(0)
    losses = []
    for _ in range(80):
        _call(model.train(), batch)
        loss = model.take_auxiliary_loss()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(2 * math.log(2), abs=0.05), "vectors are small at first"
    assert losses[-1] < 0.4 * losses[0]
    item_rows = model.embeddings.table.weight.grad[NUM_ITEMS:]
    assert item_rows[2:].any(dim=1).all(), "every item that was taken is taught"
    assert all(one.grad is None for name, one in model.named_parameters() if name.startswith(("deep", "evolution")))


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_training_adds_the_weighted_loss(weight: float) -> None:
    model, batch = scrambled(_make(auxiliary_weight=weight)).train(), _walks(60)
    assert isinstance(model, AuxiliaryRanker)
    torch.manual_seed(1)
    logits = _call(model, batch)
    torch.manual_seed(1)
    history = model.columns.history(model.embeddings(SparseFeatures(batch.sparse_BS)))
    auxiliary = next_place_loss(model.extractor(history), history, model.columns.mask(batch.dense_BN))
    labels = weighted_bce(logits, batch.label_B, batch.weight_B)
    expected = labels + weight * auxiliary
    torch.testing.assert_close(training_loss(model, LoopSettings())(logits, batch), expected)
    assert auxiliary.item() > 0.1


def test_a_loss_that_is_none_is_refused() -> None:
    for weight in (-0.1, math.nan):
        with pytest.raises(ValueError, match="auxiliary_weight: expected 0 or more"):
            _make(auxiliary_weight=weight)


def _seed_of(order: list[int]) -> int:
    """A seed under which a permutation of two is this one."""
    for seed in range(100):
        if torch.randperm(2, generator=generator(seed)).tolist() == order:
            return seed
    raise AssertionError("one of two permutations is drawn within 100 seeds")
