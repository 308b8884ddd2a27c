"""TorchRec's embedding tables against our own: on one rank, in this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import distributed

from aisle.nn.embeddings import EmbeddingBagCollection, EmbeddingBagConfig
from aisle.nn.sparse import SparseFeatures
from aisle.train.engine.table_optimizers import TableOptimizer, TableRule

pytestmark = [
    pytest.mark.skipif(find_spec("torchrec") is None, reason="the extra `scale` is not installed (docs/scale.md)"),
    pytest.mark.filterwarnings("ignore"),  # TorchRec's own, of what it will change
]
TABLES = [
    EmbeddingBagConfig(name="a.b", num_embeddings=9, embedding_dim=4, feature_names=("left", "right")),
    EmbeddingBagConfig(name="c", num_embeddings=50, embedding_dim=4, feature_names=("shop",)),
]


def _collection() -> EmbeddingBagCollection:
    return EmbeddingBagCollection(TABLES, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """TorchRec gives the root logger a handler, which would outlive what pytest puts in stderr's place."""
    handlers, level = list(logging.root.handlers), logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def _alone(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=(tmp_path / "meeting").as_uri(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def _batch(number: int) -> tuple[SparseFeatures, torch.Tensor]:
    generator = torch.Generator().manual_seed(number)
    ids = torch.stack([torch.randint(-1, rows + 2, (12,), generator=generator) for rows in (9, 9, 50)], dim=1)
    return SparseFeatures(ids), torch.randn(12, 3, 4, generator=generator)


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("rule", ["row_wise_adagrad", "adagrad", "sgd"])
def test_rows_move_as_ours_do_and_come_back_whole(rule: TableRule) -> None:
    from aisle.train.sharding.embeddings import ShardedEmbeddings

    ours, whole = _collection(), _collection()
    theirs = ShardedEmbeddings(whole, rule)
    optimizer = TableOptimizer([ours.table], rule)
    for number in range(4):
        sparse, slope = _batch(number)
        rate = 0.1 / (number + 1)
        theirs.set_learning_rate(rate)
        vectors, expected = theirs(sparse), ours(sparse)
        torch.testing.assert_close(vectors, expected)
        (vectors * slope).sum().backward()
        (expected * slope).sum().backward()
        optimizer.step(rate)
    weight = theirs.gather("weight")
    torch.testing.assert_close(weight, ours.table.weight.detach())
    assert not torch.allclose(ours.table.weight, _collection().table.weight), "something has moved"
    states = {name: theirs.gather(name) for name in theirs.state_names}
    assert states.keys() == (set() if rule == "sgd" else {"squares"})
    for name, state in states.items():
        torch.testing.assert_close(state, optimizer.state_dict()[f"0/{name}"])

    again = ShardedEmbeddings(_collection(), rule)
    again.deal("weight", weight)
    for name, state in states.items():
        again.deal(name, state)
        torch.testing.assert_close(again.gather(name), state)
    with torch.inference_mode():
        torch.testing.assert_close(again(_batch(9)[0]), ours(_batch(9)[0]))


def test_large_tables_are_divided_and_others_are_dealt_out() -> None:
    from aisle.train.sharding.torchrec_adapter import place_tables

    assert place_tables([6, 42], 2) == [0, None], "more than half of all rows is more than one rank's share"
    assert place_tables([10, 10, 10, 10, 10], 2) == [0, 1, 0, 1, 0][::-1]
    assert place_tables([90, 3, 100, 4], 2) == [0, 1, None, 1]
    assert place_tables([5], 4) == [0], "blocks of two rows would leave the fourth rank none"
    assert place_tables([8], 4) == [None]
