"""Cross layers worked by hand, and the mixture against its experts one by one."""

from __future__ import annotations

import torch

from aisle.nn.cross import CrossNetwork, MatrixCross, MixtureCross, VectorCross
from tests.rankers import generator

FIRST, INPUT = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0]])


def test_a_vector_cross_worked_by_hand() -> None:
    cross = VectorCross(2, generator=generator())
    with torch.no_grad():
        cross.weight_I.copy_(torch.tensor([0.5, 2.0]))
        cross.bias_I.copy_(torch.tensor([0.1, 0.2]))
    # x . w = 1.5 - 2 = -0.5
    torch.testing.assert_close(cross(FIRST, INPUT), torch.tensor([[-0.5 + 0.1 + 3, -1 + 0.2 - 1]]))


def test_a_matrix_cross_worked_by_hand() -> None:
    cross = MatrixCross(2, generator=generator())
    with torch.no_grad():
        cross.linear.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        cross.linear.bias.copy_(torch.tensor([0.5, 0.0]))
    # W x + b = (3 - 2 + .5, 9 - 4)
    torch.testing.assert_close(cross(FIRST, INPUT), torch.tensor([[1.5 + 3, 10.0 - 1]]))


def test_a_mixture_is_the_sum_of_its_experts() -> None:
    experts, rank, size = 3, 2, 5
    cross = MixtureCross(size, num_experts=experts, rank=rank, generator=generator())
    with torch.no_grad():
        cross.up.bias.normal_(generator=generator(1))
    first, x = torch.randn(4, size, generator=generator(2)), torch.randn(4, size, generator=generator(3))
    share = torch.softmax(cross.gate(x), dim=1)
    expected = x.clone()
    for e in range(experts):
        part = slice(e * rank, (e + 1) * rank)
        low = torch.tanh(x @ cross.down.weight[part].T)
        inner = torch.tanh(low @ cross.inner_ERR[e])
        expected = expected + share[:, e : e + 1] * (first * (inner @ cross.up.weight[:, part].T + cross.up.bias))
    torch.testing.assert_close(cross(first, x), expected)


def test_each_layer_raises_the_degree_by_one() -> None:
    """Without biases two layers make a polynomial of degree 3: its fourth difference is 0, its third is not."""
    network = CrossNetwork([MatrixCross(3, generator=generator(n)) for n in range(2)])
    x = torch.randn(1, 3, generator=generator(), dtype=torch.float64)
    network.double()
    values = [network(scale * x) for scale in range(5)]
    fourth = values[4] - 4 * values[3] + 6 * values[2] - 4 * values[1] + values[0]
    third = values[3] - 3 * values[2] + 3 * values[1] - values[0]
    torch.testing.assert_close(fourth, torch.zeros_like(fourth), atol=1e-9, rtol=0)
    assert bool((third.abs() > 1e-3).all())
