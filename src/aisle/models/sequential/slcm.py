"""SLCM: neural collaborative filtering with a latent context that a recurrent network reads from what came before.

Reference: Livne et al., "Deep context-aware recommender system utilizing sequential latent context", CARS at RecSys
2019.
Deviations: the context is the items that were taken lately, for lists have no other (the paper's are readings of
sensors); its encoder is trained with the recommender and not before it as an autoencoder; of NCF it extends the MLP,
and negatives are drawn from all items: beside items that a user never took, who asks would tell enough, and the
context nothing.

Legend of shapes: U users, V items, N positions, C items of an example, D dimension, X context, H outputs of the first
layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.models.collaborative.mlp import PairMLP
from aisle.models.sequential.gru4rec import GRU4RecEncoder
from aisle.models.sequential.sequence_model import SequenceModel
from aisle.nn.sequences.recurrent import Cell


class SLCM(nn.Module):
    """The log odds that a user takes an item in a context.

    Args:
        num_users: U.
        num_items: V.
        dimension: D, of the vectors of users and items.
        context: X.
        cell: Of the recurrent network.
        hidden: Outputs of the MLP's layers.
        dropout: Share that training drops, of the context's inputs and hidden values.
        generator: Draws the first values.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        *,
        dimension: int,
        context: int,
        cell: Cell,
        hidden: Sequence[int],
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        encoder = GRU4RecEncoder(context, hidden=context, cell=cell, dropout=dropout, generator=generator)
        self.context = SequenceModel(num_items, context, encoder, normalize=False, generator=generator)
        self.mlp = PairMLP(num_users, num_items, dimension=dimension, hidden=hidden, generator=generator)
        scale = (2 / (context + hidden[0])) ** 0.5
        self.context_XH = nn.Parameter(torch.randn(context, hidden[0], generator=generator) * scale)

    def forward(self, users_N: Tensor, contexts_NX: Tensor, items_NC: Tensor) -> Tensor:
        """The logits [N, C]."""
        logits_NC: Tensor = self.mlp(users_N, items_NC, contexts_NX @ self.context_XH)
        return logits_NC
