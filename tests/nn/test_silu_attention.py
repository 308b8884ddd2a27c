"""Attention by SiLU in blocks: the same as all at once, forward and backward, whatever the blocks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from aisle.nn.sequences import silu_attention as module
from aisle.nn.sequences.hstu import causal_silu_attention
from aisle.nn.sequences.silu_attention import silu_attention


def inputs(num_sequences: int, length: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(num_sequences, length, 4), (num_sequences, length, 4), (num_sequences, length, 6), (length + 2,)]
    return [torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def at_once(queries: Tensor, keys: Tensor, values: Tensor, position_bias: Tensor) -> Tensor:
    places = torch.arange(queries.shape[1])
    bias = position_bias[(places[:, None] - places).clamp(min=0)]
    return causal_silu_attention(queries[:, None], keys[:, None], values[:, None], bias, 0.1)[:, 0]


@pytest.mark.parametrize(("rows", "weights"), [(256, 1 << 18), (4, 1 << 18), (3, 40), (1, 1)])
def test_blocks_change_nothing(rows: int, weights: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", rows)
    monkeypatch.setattr(module, "_BLOCK_WEIGHTS", weights)
    tensors = inputs(3, 10)
    expected = at_once(*tensors)
    gradient = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    wanted = torch.autograd.grad(expected, tensors, gradient)
    received = silu_attention(*tensors, 0.1)
    torch.testing.assert_close(received, expected)
    for one, other in zip(torch.autograd.grad(received, tensors, gradient), wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)  # the bias's is summed in float32


def test_by_hand() -> None:
    one = torch.ones(1, 2, 1)
    values = torch.tensor([[[2.0], [10.0]]])
    attended = silu_attention(one, one, values, torch.tensor([0.0, 1.0]), 0.5)
    silu_1, silu_2 = 1 / (1 + 2.718281828**-1), 2 / (1 + 2.718281828**-2)
    expected = [0.5 * silu_1 * 2, 0.5 * (silu_2 * 2 + silu_1 * 10)]  # the one before is a step back: bias 1
    torch.testing.assert_close(attended[0, :, 0], torch.tensor(expected))
