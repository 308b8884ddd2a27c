"""Recurrent layers over sequences.

Legend of shapes: B sequences, T positions, D inputs, H hidden values.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.onnx import is_in_onnx_export, ops

Cell = Literal["rnn", "lstm", "gru"]
_LAYERS: dict[Cell, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
#: Where ONNX has the gates that torch has in the order 0, 1, ...
_GATES_OF_ONNX: dict[Cell, list[int]] = {"rnn": [0], "lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}
_OPSET = 14


class RecurrentLayers(nn.Module):
    """Layers that read a sequence from its beginning on; a position sees itself and what came before.

    Args:
        in_size: D.
        hidden_size: H.
        cell: ``rnn`` (tanh), ``lstm`` or ``gru``.
        num_layers: One above the other.
        dropout: Share of a layer's values that training drops before the next.
        generator: Draws the first weights, evenly between plus and minus the root of 1 / H, as torch does.
    """

    def __init__(
        self,
        in_size: int,
        hidden_size: int,
        *,
        cell: Cell,
        num_layers: int = 1,
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.cell: Cell = cell
        between = dropout if num_layers > 1 else 0.0  # torch warns of one that would be idle
        layers = _LAYERS[cell](in_size, hidden_size, num_layers, batch_first=True, dropout=between, device="meta")
        self.layers = layers.to_empty(device="cpu")
        with torch.no_grad():
            for weight in self.layers.parameters():
                weight.uniform_(-(hidden_size**-0.5), hidden_size**-0.5, generator=generator)

    def forward(self, inputs_BTD: Tensor) -> Tensor:
        """The hidden values [B, T, H] of the last layer."""
        if is_in_onnx_export():
            return self._as_operators(inputs_BTD)
        hidden_BTH: Tensor = self.layers(inputs_BTD)[0]
        return hidden_BTH

    def _as_operators(self, inputs_BTD: Tensor) -> Tensor:
        """The same as one ONNX operator per layer: the exporter would unroll them, or make graphs of one length."""
        num_sequences, length, _ = inputs_BTD.shape
        size = self.layers.hidden_size
        rows = torch.cat([torch.arange(size) + gate * size for gate in _GATES_OF_ONNX[self.cell]])
        attributes: dict[str, Any] = {"hidden_size": size}
        if self.cell == "gru":
            attributes["linear_before_reset"] = 1  # the bias of the hidden values lies inside the gate, as torch has it
        values_TBH = inputs_BTD.transpose(0, 1)
        for layer in range(self.layers.num_layers):
            names = (f"weight_ih_l{layer}", f"weight_hh_l{layer}", f"bias_ih_l{layer}", f"bias_hh_l{layer}")
            inputs, hidden, *biases = (self.layers.get_parameter(name)[rows][None] for name in names)
            values_T1BH = ops.symbolic(
                self.cell.upper(),
                (values_TBH, inputs, hidden, torch.cat(biases, 1)),
                attributes,
                dtype=inputs_BTD.dtype,
                shape=(length, 1, num_sequences, size),
                version=_OPSET,
            )
            values_TBH = values_T1BH.squeeze(1)
        return values_TBH.transpose(0, 1)
