"""HSTU, the generative recommender, as a retriever: a stack of HSTU layers over the sequence so far.

Reference: Zhai et al., "Actions speak louder than words: trillion-parameter sequential transducers for generative
recommendations", ICML 2024; the layer is :mod:`aisle.nn.sequences.hstu`.
Deviations: sequences of a batch are padded to the longest of them, not jagged (batches hold sequences of similar
lengths); there are no stochastic lengths; a short convolution may stand in front of each layer. Times are those of
the events that were read: when it is asked is not known.

Legend of shapes: B sequences, T positions, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.sequences.convolution import CausalConvolution
from aisle.nn.sequences.hstu import HSTULayer, time_gap_buckets


class HSTUEncoder(nn.Module):
    """Learned positions and HSTU layers.

    Args:
        dim: D.
        max_length: The longest sequence.
        num_layers: HSTU layers.
        num_heads: Heads of each.
        query_dim: Size of a head's queries and keys.
        value_dim: Size of a head's values.
        convolution: So many positions, in front of each layer, are also added by their distance; 0: none.
        time_buckets: Size of each layer's table of time biases; 0: none.
        dropout: Share that training drops, of the embedded sequence and in the layers.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        dim: int,
        *,
        max_length: int,
        num_layers: int = 2,
        num_heads: int = 1,
        query_dim: int,
        value_dim: int,
        convolution: int = 0,
        time_buckets: int = 0,
        dropout: float = 0.2,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(max_length, dim, generator=generator) * 0.02)
        self.layers = nn.ModuleList(
            HSTULayer(
                dim,
                num_heads=num_heads,
                query_dim=query_dim,
                value_dim=value_dim,
                max_length=max_length,
                dropout=dropout,
                time_buckets=time_buckets,
                generator=generator,
            )
            for _ in range(num_layers)
        )
        self.convolutions = nn.ModuleList(
            CausalConvolution(dim, convolution) if convolution else nn.Identity() for _ in range(num_layers)
        )
        self.time_buckets = time_buckets
        self.dropout = dropout
        self.scale = float(dim**0.5)

    def forward(self, embedded_BTD: Tensor, is_item_BT: Tensor, times_BT: Tensor | None = None) -> Tensor:
        """What is expected behind each position [B, T, D]; with time biases it needs the seconds of each."""
        gaps_BTT = None if times_BT is None else time_gap_buckets(times_BT, self.time_buckets)
        outputs_BTD: Tensor = self.layers[-1](self._before_last(embedded_BTD, gaps_BTT), gaps_BTT)
        return outputs_BTD

    def last(self, embedded_BTD: Tensor, is_item_BT: Tensor, last_B: Tensor) -> Tensor:
        """What is expected behind the last position of each sequence [B, D], without time biases."""
        layer = self.layers[-1]
        assert isinstance(layer, HSTULayer)
        return layer.last(self._before_last(embedded_BTD), last_B)

    def _before_last(self, embedded_BTD: Tensor, gaps_BTT: Tensor | None = None) -> Tensor:
        """What the last layer reads [B, T, D]."""
        inputs_BTD = embedded_BTD * self.scale + self.positions[: embedded_BTD.shape[1]]
        inputs_BTD = functional.dropout(inputs_BTD, self.dropout, self.training)
        for convolution, layer in zip(self.convolutions[:-1], self.layers[:-1], strict=True):
            inputs_BTD = layer(convolution(inputs_BTD), gaps_BTT)
        read_BTD: Tensor = self.convolutions[-1](inputs_BTD)
        return read_BTD
