"""Attentive collaborative filtering: a user is a vector and what they took, weighed by how much it tells of them.

Reference: Chen et al., "Attentive Collaborative Filtering: Multimedia Recommendation with Item- and Component-Level
Attention", SIGIR 2017.
Deviations from the paper:
    - Of a history only the last so many items count, so that a step's cost is bounded.
    - The item that is asked for is left out of the history while training: it would tell itself.
    - Items may have no components (an image's regions, a video's frames, a film's genres); then attention reads vectors
      alone. Where an item has fewer than others, the rest are zeros, which get no attention.

Legend of shapes: U users, V items, B positives, C items of an example, T places of a history, D dimension, A hidden
values of the attention, M components of an item, F values of a component.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.data.item_lists import ItemLists
from aisle.nn.mlp import linear
from aisle.retrieval.networks import AttentiveHistories

_FIRST_SCALE = 0.1


class ComponentAttention(nn.Module):
    """An item's content: its components, weighed for a user.

    Args:
        components_VMF: Of every item; a component of zeros is none. Not trained.
        user_dimension: D.
        hidden: A.
        generator: Draws the first weights.
    """

    def __init__(self, components_VMF: Tensor, *, user_dimension: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.components_VMF: Tensor
        self.register_buffer("components_VMF", components_VMF, persistent=False)
        self.of_user = linear(user_dimension, hidden, generator=generator)
        self.of_component = linear(components_VMF.shape[2], hidden, generator=generator)
        self.out = linear(hidden, 1, generator=generator)

    def forward(self, users_BD: Tensor, items_BT: Tensor) -> Tensor:
        """The content [B, T, F] of each place of the histories."""
        components_BTMF = self.components_VMF[items_BT]
        hidden_BTMA = functional.relu(self.of_user(users_BD)[:, None, None] + self.of_component(components_BTMF))
        logits_BTM = self.out(hidden_BTMA).squeeze(3)
        is_there_BTM = components_BTMF.abs().sum(dim=3) > 0
        weights_BTM = masked_softmax(logits_BTM, is_there_BTM)
        return (weights_BTM[..., None] * components_BTMF).sum(dim=2)


def masked_softmax(logits: Tensor, is_there: Tensor) -> Tensor:
    """The softmax over the last dimension of what is there; all 0 where nothing is."""
    lowest = torch.finfo(logits.dtype).min
    weights = functional.softmax(logits.masked_fill(~is_there, lowest), dim=-1)
    return weights * is_there


class ACF(nn.Module):
    """A user's vector plus what they took, by attention; scores are inner products with items.

    Args:
        lists: What each user took.
        num_items: V.
        dimension: D.
        attention: A, of both attentions.
        max_history: T.
        components_VMF: The items' components; missing: they have none.
        generator: Draws the first values.
    """

    def __init__(
        self,
        lists: ItemLists,
        num_items: int,
        *,
        dimension: int,
        attention: int,
        max_history: int,
        components_VMF: Tensor | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()

        def table(num_rows: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(num_rows, dimension, generator=generator) * _FIRST_SCALE)

        self.max_history = max_history
        self.users_UD, self.items_VD, self.taken_VD = table(len(lists)), table(num_items), table(num_items)
        self.components: ComponentAttention | None = None
        inputs = 3 * dimension
        if components_VMF is not None:
            self.components = ComponentAttention(
                components_VMF, user_dimension=dimension, hidden=attention, generator=generator
            )
            inputs += components_VMF.shape[2]
        self.hidden = linear(inputs, attention, generator=generator)
        self.out = linear(attention, 1, generator=generator)
        self.histories_UT: Tensor
        histories_UT = torch.from_numpy(lists.padded(max_history).astype(np.int64))
        self.register_buffer("histories_UT", histories_UT, persistent=False)

    def forward(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """The scores [B, C]; the first item of each row is left out of the history."""
        history_BT = self.histories_UT[users_B]
        is_there_BT = (history_BT >= 0) & (history_BT != items_BC[:, :1])
        history_BT = history_BT.clamp(min=0)
        users_BD = functional.embedding(users_B, self.users_UD)
        items_BTD, taken_BTD = (functional.embedding(history_BT, table) for table in (self.items_VD, self.taken_VD))
        of_user_AD, of_rest_AR = torch.split(
            self.hidden.weight, [users_BD.shape[1], self.hidden.in_features - users_BD.shape[1]], 1
        )
        of_history = [items_BTD, taken_BTD]
        if self.components is not None:
            of_history.append(self.components(users_BD, history_BT))
        of_users_BA = functional.linear(users_BD, of_user_AD, self.hidden.bias)
        hidden_BTA = functional.relu(of_users_BA[:, None] + functional.linear(torch.cat(of_history, dim=2), of_rest_AR))
        weights_BT = masked_softmax(self.out(hidden_BTA).squeeze(2).float(), is_there_BT)
        vectors_BD = users_BD + (weights_BT[..., None] * taken_BTD).sum(dim=1)
        return (vectors_BD[:, None] * functional.embedding(items_BC, self.items_VD)).sum(dim=2)

    def penalty(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """The squared length of the vectors that the examples name: a mean over examples."""
        users_BD, items_BCD = (
            functional.embedding(users_B, self.users_UD),
            functional.embedding(items_BC, self.items_VD),
        )
        return (users_BD.square().sum() + items_BCD.square().sum()) / len(users_B)

    def recommender(self) -> AttentiveHistories:
        """What serves it."""
        width = self.users_UD.shape[1]
        of_user_AD, of_item_AD, of_taken_AD, of_content_AF = torch.split(
            self.hidden.weight, [width, width, width, self.hidden.in_features - 3 * width], dim=1
        )
        tables = {
            "users_UD": self.users_UD,
            "items_VD": self.items_VD,
            "taken_VD": self.taken_VD,
            "users_UA": functional.linear(self.users_UD, of_user_AD, self.hidden.bias),
            "items_VA": self.items_VD @ of_item_AD.T + self.taken_VD @ of_taken_AD.T,
            "attention_A": self.out.weight[0],
            "content_to_attention_FA": of_content_AF.T,
        } | self._content_tables()
        arrays = {name: table.detach().numpy() for name, table in tables.items()}
        return AttentiveHistories(arrays, max_history=self.max_history)

    def _content_tables(self) -> dict[str, Tensor]:
        components, num_users = self.components, len(self.users_UD)
        if components is None:
            return {
                "components_VMF": torch.zeros(len(self.items_VD), 0, 0),
                "content_users_UA": torch.zeros(num_users, 0),
                "content_FA": torch.zeros(0, 0),
                "content_attention_A": torch.zeros(0),
            }
        return {
            "components_VMF": components.components_VMF,
            "content_users_UA": components.of_user(self.users_UD) + components.of_component.bias,
            "content_FA": components.of_component.weight.T,
            "content_attention_A": components.out.weight[0],
        }
