"""Interactions against loops, and their hand-made backward pass against finite differences."""

from __future__ import annotations

import pytest
import torch

from aisle.nn.interactions import DenseConcatInteraction, DenseDotInteraction, DotInteraction
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
    concat = DenseConcatInteraction(2, 3)
    assert concat(-torch.ones(1, 3), torch.arange(6.0).view(1, 2, 3)).tolist() == [[-1, -1, -1, 0, 1, 2, 3, 4, 5]]
    assert concat.out_size == 9


@pytest.mark.parametrize(
    ("num_embedded", "dim", "batch"), [(1, 1, 1), (3, 4, 5), (16, 32, 3), (26, 16, 70), (40, 20, 9)]
)
def test_the_kernel_of_dense_dots_is_the_plain_product(num_embedded: int, dim: int, batch: int) -> None:
    draw = torch.Generator().manual_seed(3)
    dense = torch.randn(batch, dim, generator=draw)
    embedded = torch.randn(batch, num_embedded, dim, generator=draw)
    interaction = DenseDotInteraction(num_embedded, dim)
    plain = interaction(dense, embedded)
    assert plain.shape == (batch, interaction.out_size)
    assert torch.equal(plain[:, :dim], dense)
    assert torch.allclose(plain[:, dim], (dense * embedded[:, 0]).sum(dim=1), atol=1e-5)
    leaves = [tensor.clone().requires_grad_() for tensor in (dense, embedded)]
    by_kernel = interaction(*leaves)
    assert torch.allclose(by_kernel, plain, atol=1e-4)
    # The gradient, against autograd's of the matrix product.
    weights = torch.randn(plain.shape, generator=draw)
    (by_kernel * weights).sum().backward()
    known = [tensor.clone().requires_grad_() for tensor in (dense, embedded)]
    vectors = torch.cat([known[0][:, None], known[1]], dim=1)
    row, column = torch.tril_indices(num_embedded + 1, num_embedded + 1, offset=-1)
    products = torch.bmm(vectors, vectors.transpose(1, 2))[:, row, column]
    (torch.cat([known[0], products], dim=1) * weights).sum().backward()
    for one, other in zip(leaves, known, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.allclose(one.grad, other.grad, atol=1e-4)


def test_the_kernel_of_dense_dots_lets_nan_through() -> None:
    embedded = torch.tensor([[[1.0, float("nan")]]], requires_grad=True)
    assert DenseDotInteraction(1, 2)(torch.ones(1, 2), embedded)[0, 2].isnan()


def test_short_dense_dots_are_the_rounded_products_of_short_vectors() -> None:
    draw = torch.Generator().manual_seed(4)
    leaves = [torch.randn(9, *shape, generator=draw).bfloat16().requires_grad_() for shape in ((16,), (26, 16))]
    out = DenseDotInteraction(26, 16)(*leaves)
    vectors = torch.cat([leaves[0][:, None], leaves[1]], dim=1).detach().double().requires_grad_()
    row, column = torch.tril_indices(27, 27, offset=-1)
    products = torch.bmm(vectors, vectors.transpose(1, 2))[:, row, column]
    assert out.dtype == torch.bfloat16
    assert torch.equal(out[:, :16], leaves[0])
    assert torch.allclose(out[:, 16:].double(), products, rtol=2**-8, atol=1e-5)
    weights = torch.randn(out.shape, generator=draw).bfloat16()
    (out * weights).sum().backward()
    (torch.cat([vectors[:, 0], products], dim=1) * weights.double()).sum().backward()
    expected = vectors.grad
    assert expected is not None
    for leaf, known in zip(leaves, (expected[:, 0], expected[:, 1:]), strict=True):
        assert leaf.grad is not None
        assert torch.allclose(leaf.grad.double(), known, rtol=2**-8, atol=1e-4)


def test_dense_dots_of_another_precision_take_the_plain_way() -> None:
    leaves = [torch.randn(4, *shape, dtype=torch.float64).requires_grad_() for shape in ((3,), (5, 3))]
    assert torch.autograd.gradcheck(DenseDotInteraction(5, 3), leaves)


def test_dense_dots_of_no_examples_are_none() -> None:
    leaves = [torch.empty(0, *shape, requires_grad=True) for shape in ((4,), (3, 4))]
    out = DenseDotInteraction(3, 4)(*leaves)
    out.sum().backward()
    assert out.shape == (0, 10)
