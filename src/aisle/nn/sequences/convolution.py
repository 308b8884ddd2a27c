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
        self.weights = nn.Parameter(torch.zeros(dim, 1, _checked(width)))

    def forward(self, inputs_BTD: Tensor) -> Tensor:
        """The sums [B, T, D]."""
        width = self.weights.shape[2]
        return inputs_BTD + _convolved(inputs_BTD, self.weights, before=width - 1, behind=0)


class BothSidedConvolution(nn.Module):
    """The same to both sides: a position adds itself, and ``width`` - 1 positions before it and as many behind.

    It begins with half of what is near, divided by how far: what stands for a hidden item tells nothing, so that only
    its neighbours can, and a network that begins without them takes epochs to find them.

    Args:
        dim: D.
        width: How many positions it adds to each side, the position itself among them.
    """

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        away_W = torch.arange(1 - _checked(width), width).abs()
        first_W = torch.where(away_W > 0, 0.5 / away_W.clamp(min=1), 0.0)
        self.weights = nn.Parameter(first_W.repeat(dim, 1, 1))

    def forward(self, inputs_BTD: Tensor, is_item_BT: Tensor) -> Tensor:
        """The sums [B, T, D]; padding counts as 0."""
        reach = self.weights.shape[2] // 2
        kept_BTD = inputs_BTD * is_item_BT[:, :, None].to(inputs_BTD.dtype)
        return inputs_BTD + _convolved(kept_BTD, self.weights, before=reach, behind=reach)


def _checked(width: int) -> int:
    if width < 1:
        raise ValueError(f"expected a convolution of 1 position or more, received {width}")
    return width


def _convolved(inputs_BTD: Tensor, weights: Tensor, *, before: int, behind: int) -> Tensor:
    padded_BDT = functional.pad(inputs_BTD.transpose(1, 2), (before, behind))
    return functional.conv1d(padded_BDT, weights, groups=weights.shape[0]).transpose(1, 2)
