"""Multi-layer perceptrons.

Legend of shapes: B batch, I inputs, O outputs of the last layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.short_layers import can_be_short, short_layers


class MLP(nn.Module):
    """Linear layers with ReLU between them.

    First weights are normal with variance 2 / (inputs + outputs), as in the reference implementation of DLRM; first
    biases are 0 (there they are random, so that the first logits of every example are off by the same draw).

    Args:
        in_size: I.
        layer_sizes: Outputs of each layer, at least one.
        last_activation: Whether ReLU also follows the last layer.
        dropout: The share of hidden values that training drops after each ReLU.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        in_size: int,
        layer_sizes: Sequence[int],
        *,
        last_activation: bool,
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, out_size in enumerate(layer_sizes):
            layers.append(linear(in_size, out_size, generator=generator))
            if last_activation or number + 1 < len(layer_sizes):
                layers.append(nn.ReLU(inplace=True))
                if dropout > 0:
                    layers.append(nn.Dropout(dropout))
            in_size = out_size
        self.layers = nn.Sequential(*layers)

    def forward(self, input_BI: Tensor) -> Tensor:
        """The outputs [B, O]."""
        layers = list(self.layers)
        if can_be_short(input_BI, layers):
            return short_layers(input_BI, layers)
        output_BO: Tensor = self.layers(input_BI)
        return output_BO


def linear(in_size: int, out_size: int, *, generator: torch.Generator) -> nn.Linear:
    """A linear layer whose first weights depend on the generator alone."""
    # By way of `meta`, so that torch's own first weights are not drawn from the global generator in vain.
    layer = nn.Linear(in_size, out_size, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.normal_(0.0, (2 / (in_size + out_size)) ** 0.5, generator=generator)
        layer.bias.zero_()
    return layer
