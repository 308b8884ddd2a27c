"""Cross layers of whole matrices in bfloat16 on a CPU, as one step of autograd.

Autograd makes a pass over all inputs for each product, sum and copy of a layer, going there and back; here a pass does
more.

Legend of shapes: B batch, I inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def short_crosses(input_BI: Tensor, layers: Sequence[nn.Linear]) -> Tensor:
    """The inputs [B, I] crossed by each layer in turn, ``x_next = x_first * (W x + b) + x``, in bfloat16.

    Args:
        input_BI: Of float32 or bfloat16, where :func:`aisle.nn.short_layers.can_be_short` allows it.
        layers: Each of as many outputs as inputs.
    """
    parameters = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
    output_BI: Tensor = _ShortCrosses.apply(input_BI, *parameters)  # type: ignore[no-untyped-call]
    return output_BI


class _ShortCrosses(torch.autograd.Function):
    """All layers; parameters are each layer's weight [I, I] and bias [I]."""

    @staticmethod
    def forward(ctx: Any, input_BI: Tensor, *parameters: Tensor) -> Tensor:
        short = [parameter.bfloat16() for parameter in parameters]
        values, linears = [input_BI.bfloat16()], []
        for weight, bias in zip(short[::2], short[1::2], strict=True):
            linears.append(torch.ops.mkldnn._linear_pointwise(values[-1], weight, bias, "none", [], ""))
            values.append(torch.addcmul(values[-1], values[0], linears[-1]))
        ctx.save_for_backward(*values[:-1], *linears, *short[::2])
        ctx.input_type = input_BI.dtype
        return values[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        saved = ctx.saved_tensors
        depth = len(saved) // 3
        values, linears, weights = saved[:depth], saved[depth : 2 * depth], saved[2 * depth :]
        gradient = gradient.clone()  # what autograd gave is not ours to write to
        of_first = torch.zeros_like(gradient)
        of_parameters: list[Tensor] = []
        for value, linear, weight in zip(reversed(values), reversed(linears), reversed(weights), strict=True):
            of_linear = gradient * values[0]
            of_first.addcmul_(gradient, linear)
            of_parameters[:0] = [(of_linear.t() @ value).float(), of_linear.sum(0).float()]
            gradient = gradient.addmm_(of_linear, weight)
        return of_first.add_(gradient).to(ctx.input_type), *of_parameters
