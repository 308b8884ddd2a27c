"""Recurrent layers whose steps the candidate weighs: a GRU with attention in its update gate.

Source: Zhou et al., "Deep Interest Evolution Network for Click-Through Rate Prediction", AAAI 2019.

Legend of shapes: B sequences, T positions, D inputs, H hidden values, C candidate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aisle.nn.mlp import linear


class AUGRU(nn.Module):
    """A GRU whose update gate is multiplied by how much a position counts; where that is 0, nothing changes.

    Args:
        in_size: D.
        hidden_size: H.
        generator: Draws the first weights.
    """

    def __init__(self, in_size: int, hidden_size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.inputs = linear(in_size, 3 * hidden_size, generator=generator)
        self.hidden = linear(hidden_size, 3 * hidden_size, generator=generator)
        with torch.no_grad():  # each gate starts as a layer of its own size
            self.inputs.weight.normal_(0.0, (2 / (in_size + hidden_size)) ** 0.5, generator=generator)
            self.hidden.weight.normal_(0.0, hidden_size**-0.5, generator=generator)

    def forward(self, inputs_BTD: Tensor, weight_BT: Tensor) -> Tensor:
        """The hidden values [B, H] behind the last position, from zeros before the first.

        Args:
            inputs_BTD: What comes in.
            weight_BT: From 0 to 1, how much each position counts.
        """
        size = self.hidden_size
        state_BH = inputs_BTD.new_zeros(inputs_BTD.shape[0], size)  # with `len` an export would hold one B
        projected = self.inputs(inputs_BTD)  # of all positions at once
        for inputs, weight_B1 in zip(projected.unbind(1), weight_BT[:, :, None].unbind(1), strict=True):
            hidden = self.hidden(state_BH)
            gates = torch.sigmoid(inputs[:, : 2 * size] + hidden[:, : 2 * size])
            update_BH, reset_BH = gates.chunk(2, dim=1)
            new_BH = torch.tanh(inputs[:, 2 * size :] + reset_BH * hidden[:, 2 * size :])
            state_BH = state_BH + weight_B1 * update_BH * (new_BH - state_BH)
        return state_BH


class InterestEvolution(nn.Module):
    """How an interest came to be, as far as it bears on the candidate: attention, then :class:`AUGRU`.

    Args:
        candidate_size: C.
        interest_size: D, which is also the size of the result.
        generator: Draws the first weights.
    """

    def __init__(self, candidate_size: int, interest_size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.attention = linear(candidate_size, interest_size, generator=generator)
        self.augru = AUGRU(interest_size, interest_size, generator=generator)

    def forward(self, candidate_BC: Tensor, interest_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """The interest [B, D] at the end; zero where no place is taken.

        Args:
            candidate_BC: What is asked for.
            interest_BTD: The interest at each place.
            mask_BT: 1 where a place is taken, else 0.
        """
        score_BT = torch.bmm(interest_BTD, self.attention(candidate_BC)[:, :, None]).squeeze(2).float()
        score_BT = score_BT.masked_fill(mask_BT == 0, torch.finfo(torch.float32).min)
        last_BD: Tensor = self.augru(interest_BTD, torch.softmax(score_BT, dim=1) * mask_BT)
        return last_BD
