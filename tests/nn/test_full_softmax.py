"""The fused softmax over all items: torch's loss and gradients, several targets of a query, and items left out."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from aisle.nn import full_softmax as full
from aisle.nn.full_softmax import KnownItems, TeacherQueries, Teachers, full_softmax, full_softmax_of_lists


def gradients_of(
    loss_of: Callable[[Tensor, Tensor], Tensor], queries_ND: Tensor, items_VD: Tensor
) -> tuple[float, Tensor, Tensor]:
    """A loss, tripled, and the gradients of both inputs."""
    queries_ND, items_VD = queries_ND.clone().requires_grad_(), items_VD.clone().requires_grad_()
    loss = 3 * loss_of(queries_ND, items_VD)
    loss.backward()  # type: ignore[no-untyped-call]
    assert queries_ND.grad is not None and items_VD.grad is not None
    return loss.item(), queries_ND.grad, items_VD.grad


@pytest.mark.parametrize("block", [4, 100])
def test_the_fused_softmax_is_torchs(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(full, "_BLOCK", block)
    draw = torch.Generator().manual_seed(1)
    queries_ND, items_VD = torch.randn(10, 4, generator=draw), torch.randn(7, 4, generator=draw)
    targets_N = torch.randint(0, 7, (10,), generator=draw)
    fused = gradients_of(lambda q, v: full_softmax(q, v, targets_N, 0.2), queries_ND, items_VD)
    plain = gradients_of(lambda q, v: functional.cross_entropy(q @ v.T / 0.2, targets_N), queries_ND, items_VD)
    assert fused[0] == pytest.approx(plain[0], rel=1e-5)
    torch.testing.assert_close(fused[1], plain[1], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(fused[2], plain[2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scores", [7, 21, 1000])
def test_the_softmax_of_lists_is_that_of_each_target(monkeypatch: pytest.MonkeyPatch, scores: int) -> None:
    """Lists of 2, 0, 1 and 3 targets, in blocks of one, three and all lists."""
    monkeypatch.setattr(full, "_BLOCK_SCORES", scores)
    draw = torch.Generator().manual_seed(4)
    queries_ND, items_VD = torch.randn(4, 3, generator=draw), torch.randn(7, 3, generator=draw)
    targets_E, starts_N1 = torch.tensor([6, 0, 3, 1, 1, 5]), torch.tensor([0, 2, 2, 3, 6])
    lists_E = torch.tensor([0, 0, 2, 3, 3, 3])
    fused = gradients_of(lambda q, v: full_softmax_of_lists(q, v, targets_E, starts_N1, 0.5), queries_ND, items_VD)
    plain = gradients_of(lambda q, v: functional.cross_entropy(q[lists_E] @ v.T / 0.5, targets_E), queries_ND, items_VD)
    assert fused[0] == pytest.approx(plain[0], rel=1e-5)
    torch.testing.assert_close(fused[1], plain[1], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(fused[2], plain[2], rtol=1e-4, atol=1e-6)


def test_the_fused_softmax_leaves_out_what_is_known_but_for_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full, "_BLOCK", 2)
    draw = torch.Generator().manual_seed(3)
    queries_ND, items_VD = torch.randn(3, 4, generator=draw), torch.randn(6, 4, generator=draw)
    targets_N = torch.tensor([1, 2, 0])
    # Behind 0 and 4; behind 0, 4 and 2, which is the target; behind 5.
    known = KnownItems(torch.tensor([[0, 4, 2], [5, -1, -1]]), torch.tensor([0, 0, 1]), torch.tensor([1, 2, 0]))
    is_out_NV = torch.zeros(3, 6, dtype=torch.bool)
    is_out_NV[[0, 0, 1, 1, 2], [0, 4, 0, 4, 5]] = True

    def plain_loss(q: Tensor, v: Tensor) -> Tensor:
        return functional.cross_entropy((q @ v.T / 0.5).masked_fill(is_out_NV, -math.inf), targets_N)

    fused = gradients_of(lambda q, v: full_softmax(q, v, targets_N, 0.5, known), queries_ND, items_VD)
    plain = gradients_of(plain_loss, queries_ND, items_VD)
    assert fused[0] == pytest.approx(plain[0], rel=1e-5)
    torch.testing.assert_close(fused[1], plain[1], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(fused[2], plain[2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("leaves_out", [False, True])
def test_what_teachers_expect_is_told_in_part(monkeypatch: pytest.MonkeyPatch, leaves_out: bool) -> None:
    monkeypatch.setattr(full, "_BLOCK", 2)
    draw = torch.Generator().manual_seed(5)
    queries_ND, items_VD = torch.randn(3, 4, generator=draw), torch.randn(6, 4, generator=draw)
    targets_N = torch.tensor([1, 2, 0])
    members = [
        TeacherQueries(torch.randn(3, width, generator=draw), torch.randn(6, width, generator=draw)) for width in (2, 5)
    ]
    known = KnownItems(torch.tensor([[0, 4, 2], [5, -1, -1]]), torch.tensor([0, 0, 1]), torch.tensor([1, 2, 0]))
    is_out_NV = torch.zeros(3, 6, dtype=torch.bool)
    if leaves_out:
        is_out_NV[[0, 0, 1, 1, 2], [0, 4, 0, 4, 5]] = True
    told_NV = [torch.softmax((one.queries_ND @ one.items_VD.T).masked_fill(is_out_NV, -math.inf), 1) for one in members]
    expected_NV = 0.7 * (told_NV[0] + told_NV[1]) / 2 + 0.3 * functional.one_hot(targets_N, 6)

    def plain_loss(q: Tensor, v: Tensor) -> Tensor:
        log_NV = torch.log_softmax((q @ v.T / 0.5).masked_fill(is_out_NV, -math.inf), 1)
        return -(expected_NV * log_NV.masked_fill(is_out_NV, 0)).sum(1).mean()

    teachers = Teachers(members, 0.7)
    fused = gradients_of(
        lambda q, v: full_softmax(q, v, targets_N, 0.5, known if leaves_out else None, teachers), queries_ND, items_VD
    )
    plain = gradients_of(plain_loss, queries_ND, items_VD)
    assert fused[0] == pytest.approx(plain[0], rel=1e-5)
    torch.testing.assert_close(fused[1], plain[1], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(fused[2], plain[2], rtol=1e-4, atol=1e-6)


def test_known_items_are_those_read_up_to_a_position() -> None:
    items_BT = torch.tensor([[7, 3, 5], [2, -1, -1]])
    known = KnownItems.at(torch.tensor([[True, True, True], [True, False, False]]), items_BT)
    assert known.rows(slice(0, 3)).tolist() == [[7, 7, 7], [7, 3, 7], [7, 3, 5]]
    assert known.rows(slice(3, 9)).tolist() == [[2, 2, 2]]


def test_known_items_of_a_list_that_hides_some_are_those_it_shows() -> None:
    items_BT = torch.tensor([[9, 3, 9, 5], [9, 2, -1, -1]])  # 9 stands where an item is hidden
    known = KnownItems.shown(items_BT == 9, items_BT, items_BT < 9)
    assert [set(row) for row in known.rows(slice(0, 3)).tolist()] == [{3, 5}, {3, 5}, {2}]
    with pytest.raises(ValueError, match="expected sequences that show an item or more, received one that hides all"):
        KnownItems.shown(items_BT == 9, items_BT, items_BT < 2)


def test_the_fused_softmax_in_bfloat16_is_near() -> None:
    draw = torch.Generator().manual_seed(2)
    queries_ND, items_VD = torch.randn(10, 4, generator=draw), torch.randn(7, 4, generator=draw)
    targets_N = torch.randint(0, 7, (10,), generator=draw)
    exact = gradients_of(lambda q, v: full_softmax(q, v, targets_N), queries_ND, items_VD)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = gradients_of(lambda q, v: full_softmax(q, v, targets_N), queries_ND, items_VD)
    assert rounded[0] != exact[0], "products were rounded"
    assert rounded[0] == pytest.approx(exact[0], rel=0.02)
    torch.testing.assert_close(rounded[2], exact[2], rtol=0, atol=0.02)
    assert rounded[2].dtype == torch.float32


def test_a_hopeless_position_is_finite_and_learns() -> None:
    loss, queries_gradient, _ = gradients_of(
        lambda q, v: full_softmax(q, v, torch.tensor([1])), torch.tensor([[1000.0]]), torch.tensor([[1.0], [-1.0]])
    )
    assert math.isfinite(loss) and loss > 100
    assert queries_gradient.item() == pytest.approx(3 * 2.0)  # towards the target (-1), away from the other (1)
