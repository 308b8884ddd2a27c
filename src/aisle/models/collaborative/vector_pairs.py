"""What models have in common that make one vector of every user and every item.

Legend of shapes: U users, V items, D dimension, B positives, C items of an example.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class VectorPairs(nn.Module):
    """Scores pairs by inner products of :meth:`vectors`, which a model says."""

    def vectors(self) -> tuple[Tensor, Tensor]:
        """The vectors of all users [U, D] and items [V, D]."""
        raise NotImplementedError

    def forward(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """The scores [B, C] of each user's items."""
        users_UD, items_VD = self.vectors()
        users_BD = functional.embedding(users_B, users_UD)
        items_BCD = functional.embedding(items_BC, items_VD)
        return (users_BD[:, None] * items_BCD).sum(dim=2)
