"""First order terms: one weight per id, the last number of its vector, and one per dense feature.

Legend of shapes: B batch, N dense features, F embedded features, W looked up width, D = W - 1 embedding dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.numeric_embeddings import Numeric

#: Standard deviation of the first vectors of models that sum many products: their first logits are near 0.
_DEVIATION = 0.01


class FirstOrder(nn.Module):
    """A linear model beside the interactions; all weights start at 0.

    Args:
        num_dense: N.
        numeric: What a number becomes; with ``none`` it has no weight either.
    """

    def __init__(self, num_dense: int, *, numeric: Numeric = "linear") -> None:
        super().__init__()
        has_numbers = num_dense > 0 and numeric != "none"
        self.weight_N = nn.Parameter(torch.zeros(num_dense)) if has_numbers else None
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, dense_BN: Tensor, weight_BF: Tensor) -> Tensor:
        """The logits [B] of the dense features and of the ids' own weights."""
        logit_B = weight_BF.sum(dim=1) + self.bias
        # Not a matrix product, which autocast would round.
        return logit_B if self.weight_N is None else logit_B + (dense_BN * self.weight_N).sum(dim=1)


def split_first_order(embedded_BFW: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors [B, F, D] and the ids' own weights [B, F]."""
    return embedded_BFW[:, :, :-1], embedded_BFW[:, :, -1]


def start_first_order(embeddings: EmbeddingBagCollection, *, generator: torch.Generator) -> int:
    """Let vectors start small, and no id weigh anything by itself.

    Returns:
        D.

    Raises:
        ValueError: a looked up vector has no room for a weight.
    """
    if embeddings.embedding_dim < 2:
        raise ValueError(
            f"expected tables of width 2 or more (a vector and a weight), received width {embeddings.embedding_dim}"
        )
    embeddings.start_normal(_DEVIATION, num_zero=1, generator=generator)
    return embeddings.embedding_dim - 1
