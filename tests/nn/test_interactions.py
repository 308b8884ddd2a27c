"""Interactions against loops, and their hand-made backward pass against finite differences."""

from __future__ import annotations

import torch

from aisle.nn.interactions import ConcatInteraction, DotInteraction
from tests.rankers import generator


def test_dot_is_the_lower_triangle_row_by_row() -> None:
    vectors = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    # (1, 0): 1*3 + 2*4; (2, 0): 1*5 + 2*6; (2, 1): 3*5 + 4*6
    assert DotInteraction(3)(vectors).tolist() == [[11.0, 17.0, 39.0]]


def test_dot_equals_the_double_loop() -> None:
    vectors = torch.randn(5, 7, 4, generator=generator())
    expected = torch.stack([vectors[:, i] @ vectors[:, j].T for i in range(7) for j in range(i)])
    torch.testing.assert_close(DotInteraction(7)(vectors), expected.diagonal(dim1=1, dim2=2).T)


def test_dot_is_the_same_with_and_without_gradients_and_these_are_right() -> None:
    dot = DotInteraction(4)
    vectors = torch.randn(3, 4, 2, generator=generator(), dtype=torch.float64)
    tracked = vectors.clone().requires_grad_()
    assert torch.equal(dot(vectors), dot(tracked).detach())
    assert torch.autograd.gradcheck(dot, (tracked,))


def test_dot_takes_short_products() -> None:
    vectors = torch.randn(3, 4, 2, generator=generator())
    gradients = []
    for enabled in (False, True):
        tracked = vectors.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            products = DotInteraction(4)(tracked)
        assert products.dtype == (torch.bfloat16 if enabled else torch.float32)
        products.float().square().sum().backward()
        assert tracked.grad is not None
        gradients.append(tracked.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0.03, atol=0.1)


def test_concat_lays_vectors_side_by_side() -> None:
    concat = ConcatInteraction(2, 3)
    assert concat(torch.arange(6.0).view(1, 2, 3)).tolist() == [[0, 1, 2, 3, 4, 5]]
    assert concat.out_size == 6
