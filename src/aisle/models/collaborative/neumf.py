"""NeuMF: generalized matrix factorization and an MLP, each with tables of its own, fused in one output.

Reference: He et al., "Neural Collaborative Filtering", WWW 2017 (section 3.4).
Deviations from the paper:
    - Both parts are first trained at the same time, on the sum of their losses. They share no weight, so that each
      learns what it would alone.
    - The trade-off ``alpha`` stays a factor before each part's logit; the paper multiplies the first weights of the
      fused output by it and forgets it.
    - One optimizer runs through; the paper goes on from the pretrained parts with plain SGD.
    - Long vectors may cost something, as in Rendle et al., "Neural collaborative filtering vs. matrix factorization
      revisited", RecSys 2020. Parts that learn together then lose the GMF: let them learn apart to the end.

Legend of shapes: U users, V items, D dimension of the GMF, B positives, C items of an example.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.models.collaborative.gmf import GMF
from aisle.models.collaborative.mlp import PairMLP
from aisle.retrieval.networks import PairNetwork


class NeuMF(nn.Module):
    """The log odds that a user takes an item: alpha of the GMF's and 1 - alpha of the MLP's.

    Args:
        num_users: U.
        num_items: V.
        dimension: D, of the GMF's vectors.
        mlp_dimension: Of the MLP's.
        hidden: Outputs of the MLP's layers.
        alpha: The share of the GMF, between 0 and 1.
        generator: Draws the first values.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        *,
        dimension: int,
        mlp_dimension: int,
        hidden: Sequence[int],
        alpha: float = 0.5,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.gmf = GMF(num_users, num_items, dimension=dimension, generator=generator)
        self.mlp = PairMLP(num_users, num_items, dimension=mlp_dimension, hidden=hidden, generator=generator)

    def parts(self, users_B: Tensor, items_BC: Tensor) -> tuple[Tensor, Tensor]:
        """The logits [B, C] of the GMF and of the MLP, each as if it were alone."""
        return self.gmf(users_B, items_BC), self.mlp(users_B, items_BC)

    def forward(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """The logits [B, C] of both, fused."""
        gmf_BC, mlp_BC = self.parts(users_B, items_BC)
        return self.alpha * gmf_BC + (1 - self.alpha) * mlp_BC

    def penalty(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """What long vectors cost, in the GMF and in the MLP."""
        return self.gmf.penalty(users_B, items_BC) + self.mlp.penalty(users_B, items_BC)

    def recommender(self) -> PairNetwork:
        """What serves it."""
        mlp = self.mlp.recommender()
        *inner, (weight, bias) = mlp.layers
        products = {
            "users_UP": self.gmf.users_UD,
            "items_VP": self.gmf.items_VD,
            "product_weights_P": self.alpha * self.gmf.weight_D,
            "products_to_hidden_PH": torch.zeros(self.gmf.weight_D.shape[0], self.mlp.first.out_features),
        }
        arrays = {name: table.detach().numpy() for name, table in products.items()}
        last = ((1 - self.alpha) * weight, (1 - self.alpha) * bias)
        return PairNetwork({**mlp.tables, **arrays}, [*inner, last])
