"""A short convolution over positions: what stood just before, in its order, is at hand without attention.

References: So et al., "Primer: searching for efficient transformers for language modeling", NeurIPS 2021, which puts
one behind queries, keys and values; Allen-Zhu, "Physics of language models: part 4.1, architecture design and the magic
of Canon layers", 2025, which puts one, added to its input, in front of a layer, as here.

Legend of shapes: B sequences, T positions, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class CausalConvolution(nn.Module):
    """Adds to each position the last positions up to itself, weighed by how far back they are and by dimension.

    It begins as nothing: all weights are 0. What stands before the first position counts as 0.

    Args:
        dim: D.
        width: How many positions it adds, the position itself among them.
    """

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"expected a convolution of 1 position or more, received {width}")
        self.weights = nn.Parameter(torch.zeros(dim, 1, width))

    def forward(self, inputs_BTD: Tensor) -> Tensor:
        """The sums [B, T, D]."""
        dim, _, width = self.weights.shape
        padded_BDT = functional.pad(inputs_BTD.transpose(1, 2), (width - 1, 0))
        return inputs_BTD + functional.conv1d(padded_BDT, self.weights, groups=dim).transpose(1, 2)
