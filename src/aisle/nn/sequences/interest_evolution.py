"""Recurrent layers whose steps the candidate weighs: a GRU with attention in its update gate.

Source: Zhou et al., "Deep Interest Evolution Network for Click-Through Rate Prediction", AAAI 2019.

Legend of shapes: B sequences, T positions, S = T - 1 of them with one behind, D inputs, H hidden values, C candidate,
K candidates of one sequence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

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
            weight_BT: From 0 to 1, how much each position counts. With an axis more, [B, K, T], it says so for K
                candidates, of which each has hidden values [B, K, H].
        """
        size = self.hidden_size
        # With `len` an export would hold one B.
        state_BH = inputs_BTD.new_zeros(*weight_BT.shape[:-1], size)
        projected = self.inputs(inputs_BTD)  # of all positions at once
        if weight_BT.dim() == 3:
            projected = projected[:, None]
        for inputs, weight_B1 in zip(projected.unbind(-2), weight_BT[..., None].unbind(-2), strict=True):
            hidden = self.hidden(state_BH)
            gates = torch.sigmoid(inputs[..., : 2 * size] + hidden[..., : 2 * size])
            update_BH, reset_BH = gates.chunk(2, dim=-1)
            new_BH = torch.tanh(inputs[..., 2 * size :] + reset_BH * hidden[..., 2 * size :])
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
        score_BT = torch.bmm(interest_BTD, self.attention(candidate_BC)[:, :, None]).squeeze(2)
        last_BD: Tensor = self.augru(interest_BTD, _weights(score_BT, mask_BT))
        return last_BD

    def of_candidates(self, candidate_BKC: Tensor, interest_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """The interest [B, K, D] at the end for each of many candidates; as :meth:`forward` says of one by one."""
        score_BKT = self.attention(candidate_BKC) @ interest_BTD.transpose(1, 2)
        last_BKD: Tensor = self.augru(interest_BTD, _weights(score_BKT, mask_BT[:, None]))
        return last_BKD


def _weights(score_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """The softmax over taken places, in float32; 0 elsewhere."""
    score_BT = score_BT.float().masked_fill(mask_BT == 0, torch.finfo(torch.float32).min)
    return torch.softmax(score_BT, dim=-1) * mask_BT


def next_place_loss(interest_BTD: Tensor, history_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """The auxiliary loss: the mean binary cross-entropy of each interest with what was taken next and what was not.

    Args:
        interest_BTD: The interest at each place; its product with an item's vector is the log odds of that item.
        history_BTD: What was taken.
        mask_BT: 1 where a place is taken, else 0.

    Returns:
        A number in nats, in float32; 0 where no place has a positive and a negative.
    """
    interest_BSD, positive_BSD = interest_BTD[:, :-1].float(), history_BTD[:, 1:].float()
    order_B = torch.randperm(len(history_BTD), device=history_BTD.device)
    negative_BSD = positive_BSD[order_B]
    has_both_BS = mask_BT[:, 1:] * mask_BT[order_B, 1:] * (negative_BSD != positive_BSD).any(dim=2)
    loss_BS = functional.softplus(-(interest_BSD * positive_BSD).sum(dim=2))
    loss_BS = loss_BS + functional.softplus((interest_BSD * negative_BSD).sum(dim=2))
    return (loss_BS * has_both_BS).sum() / has_both_BS.sum().clamp(min=1)
