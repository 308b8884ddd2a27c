"""Updates of the rows that a batch looked up: torch's own optimizers and arithmetic by hand say what is right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from aisle.nn.tables import FullTable
from aisle.train.engine import row_kernels, table_optimizers
from aisle.train.engine.table_optimizers import TableOptimizer, TableRule

RULES: list[TableRule] = ["sgd", "adagrad", "row_wise_adagrad", "adam"]
RATE = 0.1
DIMS = [4, 20]  # less than the sixteen numbers that kernels take at once; these and some more


def make_table(num_rows: int = 50, dim: int = 4) -> FullTable:
    return FullTable([num_rows], dim, generator=torch.Generator().manual_seed(0))


def batches(num_steps: int = 5, num_ids: int = 40, num_rows: int = 50) -> list[Tensor]:
    """Ids with many repetitions, some rows never."""
    draw = torch.Generator().manual_seed(1)
    return [torch.randint(0, num_rows - 5, (num_ids // 2, 2), generator=draw) for _ in range(num_steps)]


def loss_of(vectors: Tensor) -> Tensor:
    return (vectors * torch.linspace(-1, 2, vectors.numel()).view(vectors.shape)).sum() + (vectors**2).sum()


def train(table: FullTable, rule: TableRule, *, l2: float = 0.0, steps: int = 5) -> TableOptimizer:
    optimizer = TableOptimizer([table], rule, l2=l2)
    for ids in batches(steps):
        loss_of(table(ids)).backward()
        assert table.weight.grad is None, "a gradient of the whole table was made"
        optimizer.step(RATE)
    return optimizer


@pytest.mark.parametrize(
    ("rule", "make_peer"),
    [
        ("sgd", lambda weights: torch.optim.SGD(weights, lr=RATE)),
        ("adagrad", lambda weights: torch.optim.Adagrad(weights, lr=RATE, eps=1e-8)),
        ("adam", lambda weights: torch.optim.SparseAdam(weights, lr=RATE)),
    ],
)
def test_rows_move_as_by_torchs_optimizer(
    rule: TableRule, make_peer: Callable[[list[Tensor]], torch.optim.Optimizer]
) -> None:
    table, peer = make_table(), make_table().weight
    train(table, rule)
    optimizer = make_peer([peer])
    for ids in batches():
        optimizer.zero_grad()
        loss_of(torch.nn.functional.embedding(ids, peer, sparse=True)).backward()  # type: ignore[no-untyped-call]
        if rule == "adagrad":
            peer.grad = peer.grad.to_dense()
        optimizer.step()
    # torch's epsilon of Adam weighs more in the first steps.
    assert torch.allclose(table.weight, peer, atol=1e-4 if rule == "adam" else 1e-6)
    assert not torch.allclose(table.weight, make_table().weight, atol=1e-2)


def test_row_wise_adagrad_by_hand() -> None:
    table = make_table(num_rows=3, dim=2)
    with torch.no_grad():
        table.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))
    optimizer = TableOptimizer([table], "row_wise_adagrad")
    # Row 1 comes twice, with the gradients (1, 2) and (2, 2): their sum (3, 4) has the mean square 12.5.
    vectors = table(torch.tensor([1, 1, 2]))
    vectors.backward(torch.tensor([[1.0, 2.0], [2.0, 2.0], [0.0, 1.0]]))
    optimizer.step(1.0)
    factor = 12.5**-0.5
    expected = torch.tensor([[0.0, 0.0], [1 - 3 * factor, 1 - 4 * factor], [2.0, 2 - 0.5**-0.5]])
    assert torch.allclose(table.weight, expected, atol=1e-6)
    # The same again: the sums of squares grow to 25 and 1.
    before = table.weight.detach().clone()
    table(torch.tensor([1, 2])).backward(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    optimizer.step(1.0)
    assert torch.allclose(before - table.weight, torch.tensor([[0.0, 0.0], [0.6, 0.8], [0.0, 1.0]]), atol=1e-6)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("rule", RULES)
def test_kernels_and_torch_operations_agree(rule: TableRule, dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, plain = make_table(dim=dim), make_table(dim=dim)
    train(compiled, rule, l2=0.01)
    # What runs where there is no kernel, as on a GPU.
    monkeypatch.setattr(
        table_optimizers._TableState,
        "_run_kernel",
        lambda self, ids, gradient, step: self._move_by_torch(torch.from_numpy(ids), gradient, step),
    )
    train(plain, rule, l2=0.01)
    assert torch.allclose(compiled.weight, plain.weight, atol=1e-6)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("rule", RULES)
def test_threads_change_no_bit(rule: TableRule, dim: int) -> None:
    threads = torch.get_num_threads()
    tables = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            tables.append(make_table(num_rows=3000, dim=dim))
            optimizer = TableOptimizer([tables[-1]], rule)
            for ids in batches(3, num_ids=8000, num_rows=3000):
                loss_of(tables[-1](ids)).backward()
                optimizer.step(RATE)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(tables[0].weight, tables[1].weight)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize(("num_ids", "num_rows"), [(1, 50), (5000, 1), (5000, 4000)])
def test_gradients_are_summed_by_row_however_ids_are_spread(num_ids: int, num_rows: int, dim: int) -> None:
    table = make_table(num_rows, dim)
    before = table.weight.detach().clone()
    draw = torch.Generator().manual_seed(5)
    ids = torch.randint(0, num_rows, (num_ids,), generator=draw)
    gradient = torch.randint(-3, 4, (num_ids, dim), generator=draw).float()  # whose sums are exact
    optimizer = TableOptimizer([table], "sgd")
    table(ids).backward(gradient)
    optimizer.step(0.5)
    sums = torch.zeros_like(before).index_add(0, ids, gradient)
    assert torch.allclose(table.weight, before - 0.5 * sums, atol=1e-5)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("rule", RULES)
def test_short_gradients_count_as_their_float32(rule: TableRule, dim: int) -> None:
    ids = batches(1)[0]
    gradient = torch.randn(*ids.shape, dim, generator=torch.Generator().manual_seed(2)).bfloat16()
    tables = []
    for rounded in (True, False):
        tables.append(make_table(dim=dim))
        optimizer = TableOptimizer([tables[-1]], rule)
        with torch.autocast("cpu", torch.bfloat16):
            vectors = tables[-1](ids, rounded=rounded)
        assert vectors.dtype == (torch.bfloat16 if rounded else torch.float32)
        assert torch.equal(vectors.bfloat16(), make_table(dim=dim)(ids).bfloat16())
        vectors.backward(gradient.to(vectors.dtype))
        optimizer.step(RATE)
    assert torch.equal(tables[0].weight, tables[1].weight)
    assert not torch.equal(tables[0].weight, make_table(dim=dim).weight)


def test_a_row_pays_the_penalty_of_all_steps_when_it_is_looked_up_again() -> None:
    table = make_table(num_rows=4, dim=2)
    before = table.weight.detach().clone()
    optimizer = TableOptimizer([table], "sgd", l2=0.05)
    for number, row in enumerate([1, 1, 2, 1], start=1):
        table(torch.tensor([row])).backward(torch.zeros(1, 2))
        optimizer.step(0.2)
        assert optimizer.num_steps == number
    # Row 1 was looked up in the steps 1, 2 and 4, and owes one, one and two steps; row 2 owes three steps in the third.
    shares = {0: 1.0, 1: 0.99 * 0.99 * 0.98, 2: 0.97, 3: 1.0}
    for row, share in shares.items():
        assert torch.allclose(table.weight[row], before[row] * share)


def test_a_row_never_pays_more_than_it_holds() -> None:
    table = make_table(num_rows=3, dim=2)
    optimizer = TableOptimizer([table], "sgd", l2=0.5)
    for row in (1, 1, 1, 1, 2):
        table(torch.tensor([row])).backward(torch.zeros(1, 2))
        optimizer.step(1.0)
    assert torch.equal(table.weight[2].detach(), torch.zeros(2))


@pytest.mark.parametrize("rule", RULES)
def test_a_saved_state_goes_on_bit_by_bit(rule: TableRule) -> None:
    whole, halves = make_table(), make_table()
    train(whole, rule, l2=0.01, steps=5)
    state = {name: value.clone() for name, value in train(halves, rule, l2=0.01, steps=3).state_dict().items()}
    resumed = TableOptimizer([halves], rule, l2=0.01)
    resumed.load_state_dict(state)
    for ids in batches()[3:]:
        loss_of(halves(ids)).backward()
        resumed.step(RATE)
    assert torch.equal(whole.weight, halves.weight)


def test_bags_have_the_gradients_of_autograd() -> None:
    ids, offsets = torch.tensor([3, 4, 3, 7]), torch.tensor([0, 2, 2])
    for pooling in ("sum", "mean"):
        by_rows, plain = make_table(), make_table()
        optimizer = TableOptimizer([by_rows], "sgd")
        pooled = by_rows.pool(ids, offsets, pooling)
        assert torch.allclose(pooled, plain.pool(ids, offsets, pooling))
        loss_of(pooled).backward()
        loss_of(plain.pool(ids, offsets, pooling)).backward()
        optimizer.step(RATE)
        assert plain.weight.grad is not None
        assert torch.allclose(by_rows.weight, plain.weight - RATE * plain.weight.grad, atol=1e-7)


def test_several_lookups_of_one_table_are_one_step() -> None:
    once, twice = make_table(), make_table()
    ids = batches(1)[0]
    for table, parts in ((once, [ids]), (twice, [ids[:7], ids[7:]])):
        optimizer = TableOptimizer([table], "row_wise_adagrad")
        torch.cat([table(part) for part in parts]).sum().backward()
        optimizer.step(RATE)
    assert torch.equal(once.weight, twice.weight)


def test_without_gradients_nothing_moves_and_release_gives_them_back() -> None:
    table = make_table()
    optimizer = TableOptimizer([table], "adam")
    before = table.weight.detach().clone()
    optimizer.step(RATE)
    loss_of(table(batches()[0])).backward()
    optimizer.forget()
    optimizer.step(RATE)
    assert torch.equal(table.weight, before)
    optimizer.release()
    loss_of(table(batches()[0])).backward()
    assert table.weight.grad is not None


@pytest.mark.parametrize("bad", [-1, 50])
def test_an_id_without_a_row_is_refused(bad: int) -> None:
    table = make_table()
    TableOptimizer([table], "sgd")
    with pytest.raises(IndexError, match=r"expected ids in \[0, 50\)"):
        table(torch.tensor([3, bad]))


def test_a_bucket_without_ids_leaves_the_scratch_of_others_alone() -> None:
    """Buckets are summed in any order: the scratch of an empty one begins where the next one's does."""
    ids_N, gradient_ND = np.array([1], np.int64), np.ones((1, 4), np.float32)
    room = row_kernels.room_for(1, 4)
    row_kernels.deal(ids_N, room)
    ends_K = room.starts_CK[-1]
    (filled,) = np.flatnonzero(np.diff(ends_K, prepend=0))
    room.places_H[:] = 7
    rows = row_kernels.RowGradients(np.zeros((2, 4), np.float32), gradient_ND, np.zeros(1, np.int32), 0.0, 1)
    for bucket in range(filled):
        row_kernels._sum_bucket(bucket, rows, room)
    assert (room.places_H == 7).all()
    rows_U, sums_UE = row_kernels._sum_bucket(filled, rows, room)
    assert rows_U.tolist() == [1] and sums_UE.tolist() == [[1.0] * 4 + [0.0] * 12]
