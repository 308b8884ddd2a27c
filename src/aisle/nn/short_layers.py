"""Linear layers with ReLU in bfloat16 on a CPU, as one step of autograd.

The product, the bias and ReLU are one operation of oneDNN, and the gradient is masked in place: what autocast does in
several passes over the hidden values.

Legend of shapes: B batch, I inputs, O outputs of the last layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def can_be_short(input_BI: Tensor, layers: Sequence[nn.Module]) -> bool:
    """Whether :func:`short_layers` gives what autocast would: in training, in bfloat16, on a CPU, without dropout."""
    return (
        input_BI.device.type == "cpu"
        and input_BI.dim() == 2
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and all(type(layer) in (nn.Linear, nn.ReLU) for layer in layers)
        and has_fused_linear()
    )


@cache
def has_fused_linear() -> bool:
    """Whether this build of torch has the fused operation, and this processor computes in bfloat16."""
    operations = torch.ops.mkldnn
    return hasattr(operations, "_linear_pointwise") and bool(operations._is_mkldnn_bf16_supported())


def short_layers(input_BI: Tensor, layers: Sequence[nn.Module]) -> Tensor:
    """The outputs [B, O], in bfloat16, of linear layers, some of which ReLU follows.

    Args:
        input_BI: Of float32 or bfloat16.
        layers: Beginning with a linear one.
    """
    parameters: list[Tensor] = []
    activated: list[bool] = []
    for layer in layers:
        if isinstance(layer, nn.Linear):
            parameters += [layer.weight, layer.bias]
            activated.append(False)
        else:
            activated[-1] = True
    output_BO: Tensor = _ShortLayers.apply(input_BI, activated, *parameters)  # type: ignore[no-untyped-call]
    return output_BO


class _ShortLayers(torch.autograd.Function):
    """All layers of an MLP; parameters are each layer's weight [outputs, inputs] and bias [outputs]."""

    @staticmethod
    def forward(ctx: Any, input_BI: Tensor, activated: list[bool], *parameters: Tensor) -> Tensor:
        short = [parameter.bfloat16() for parameter in parameters]
        values = [input_BI.bfloat16()]
        for weight, bias, has_relu in zip(short[::2], short[1::2], activated, strict=True):
            after = "relu" if has_relu else "none"
            values.append(torch.ops.mkldnn._linear_pointwise(values[-1], weight, bias, after, [], ""))
        ctx.save_for_backward(*values, *short[::2])
        ctx.activated, ctx.input_type = activated, input_BI.dtype
        return values[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        depth = len(ctx.activated)
        values, weights = ctx.saved_tensors[: depth + 1], ctx.saved_tensors[depth + 1 :]
        of_parameters: list[Tensor] = []
        for layer in reversed(range(depth)):
            if ctx.activated[layer]:
                # In place, except in what autograd gave.
                masked = torch.empty_like(gradient) if layer == depth - 1 else gradient
                torch.ops.aten.threshold_backward.grad_input(gradient, values[layer + 1], 0, grad_input=masked)
                gradient = masked
            of_parameters[:0] = [(gradient.t() @ values[layer]).float(), gradient.sum(0).float()]
            if layer > 0 or ctx.needs_input_grad[0]:
                gradient = gradient @ weights[layer]
        of_input = gradient.to(ctx.input_type) if ctx.needs_input_grad[0] else None
        return of_input, None, *of_parameters
