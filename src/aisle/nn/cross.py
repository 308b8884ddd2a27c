"""Cross layers: products of bounded degree of all inputs, one degree more per layer.

Each layer is ``x_next = x_first * (something linear in x) + x``; the kinds differ in what that is.

Legend of shapes: B batch, I inputs, E experts, R rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.mlp import linear
from aisle.nn.short_crosses import short_crosses
from aisle.nn.short_layers import can_be_short


class CrossNetwork(nn.Module):
    """Cross layers on top of each other.

    Args:
        layers: Each takes the first input and the one before it, both [B, I].
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, input_BI: Tensor) -> Tensor:
        """The crossed inputs [B, I], under autocast in the type of products."""
        matrices = [layer.linear for layer in self.layers if isinstance(layer, MatrixCross)]
        if len(matrices) == len(self.layers) and can_be_short(input_BI, matrices):
            return short_crosses(input_BI, matrices)
        device = input_BI.device.type
        if torch.is_autocast_enabled(device):  # to change between two types at each layer costs as much as the products
            input_BI = input_BI.to(torch.get_autocast_dtype(device))
        crossed_BI = input_BI
        for layer in self.layers:
            crossed_BI = layer(input_BI, crossed_BI)
        return crossed_BI


class VectorCross(nn.Module):
    """One weight per input: ``x_first * (x . w) + b + x``.

    Source: Wang et al., "Deep & Cross Network for Ad Click Predictions", 2017.

    Args:
        size: I.
        generator: Draws the first weights.
    """

    def __init__(self, size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.weight_I = nn.Parameter(torch.empty(size).normal_(0.0, (1 / size) ** 0.5, generator=generator))
        self.bias_I = nn.Parameter(torch.zeros(size))

    def forward(self, first_BI: Tensor, input_BI: Tensor) -> Tensor:
        """The crossed inputs [B, I]."""
        return first_BI * torch.matmul(input_BI, self.weight_I)[:, None] + self.bias_I + input_BI


class MatrixCross(nn.Module):
    """A weight per pair of inputs: ``x_first * (W x + b) + x``.

    Source: Wang et al., "DCN V2: Improved Deep & Cross Network", 2021.

    Args:
        size: I.
        generator: Draws the first weights.
    """

    def __init__(self, size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = linear(size, size, generator=generator)

    def forward(self, first_BI: Tensor, input_BI: Tensor) -> Tensor:
        """The crossed inputs [B, I]."""
        linear_BI: Tensor = self.linear(input_BI).to(input_BI.dtype)
        return first_BI * linear_BI + input_BI  # addcmul goes back in twice the passes


class MixtureCross(nn.Module):
    """Experts of low rank: ``x_first * (sum of g_e(x) U_e tanh(C_e tanh(V_e x)) + b) + x``, with a softmax ``g``.

    Source: Wang et al., "DCN V2: Improved Deep & Cross Network", 2021. The shares ``g`` sum to 1, so the experts' ``U``
    lie side by side in one product, whatever their number. Deviation: ``V`` has a bias.

    Args:
        size: I.
        num_experts: E.
        rank: R.
        generator: Draws the first weights.
    """

    def __init__(self, size: int, *, num_experts: int, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self._shape = (num_experts, rank)
        self.down = linear(size, num_experts * rank, generator=generator)
        self.inner_ERR = nn.Parameter(
            torch.empty(num_experts, rank, rank).normal_(0.0, (1 / rank) ** 0.5, generator=generator)
        )
        self.up = linear(num_experts * rank, size, generator=generator)
        self.gate = linear(size, num_experts, generator=generator)

    def forward(self, first_BI: Tensor, input_BI: Tensor) -> Tensor:
        """The crossed inputs [B, I]."""
        low_EBR = torch.tanh(self.down(input_BI)).view(-1, *self._shape).transpose(0, 1)
        inner_BER = torch.tanh(torch.bmm(low_EBR, self.inner_ERR)).transpose(0, 1)
        share_BE = torch.softmax(self.gate(input_BI), dim=1)
        crossed_BI = self.up((inner_BER * share_BE[:, :, None]).flatten(1))
        return torch.addcmul(input_BI, first_BI, crossed_BI.to(input_BI.dtype))
