"""Logistic regression: one weight per dense feature and per id.

Reference: McMahan et al., "Ad Click Prediction: a View from the Trenches", 2013.

Deviations from the paper:
    - The optimizer is training's choice; FTRL-proximal, which makes most weights exactly 0, is left out.
    - The recipe's features say which ids have a weight; there rare ids enter by chance, while it trains.
    - All rows count alike, unless the data weigh them; there rows without a click are sampled and weighed up.

Legend of shapes: B batch, N dense features, F embedded sparse features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.sparse import SparseFeatures


class LogisticRegression(nn.Module):
    """A linear ranker; all weights start at 0, so that training has one path.

    Args:
        embeddings: Tables of width 1: the weight of each id.
        num_dense: N.
        generator: Taken as by every ranker; nothing is drawn.
    """

    def __init__(
        self, embeddings: EmbeddingBagCollection, *, num_dense: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if embeddings.embedding_dim != 1:
            raise ValueError(f"expected tables of width 1, received width {embeddings.embedding_dim}")
        self.num_dense = num_dense
        self.embeddings = embeddings
        self.weight_N = nn.Parameter(torch.zeros(num_dense))
        self.bias = nn.Parameter(torch.zeros(()))
        embeddings.start_at_zero()

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector: an id's weight, whatever the other models' dimension."""
        return 1

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B]."""
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BF1: Tensor) -> Tensor:
        """The logits [B] of dense features and the ids' weights."""
        logits_B = embedded_BF1.sum(dim=(1, 2)) + self.bias
        # Without dense features there is no product: ONNX Runtime leaves the result of an empty one unset.
        return dense_BN @ self.weight_N + logits_B if self.num_dense > 0 else logits_B
