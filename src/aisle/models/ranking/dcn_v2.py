"""DCN v2: cross layers with a weight per pair of inputs, below or beside an MLP.

Reference: Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to Rank
Systems", WWW 2021.

Deviations from the paper: numbers enter beside the vectors as they are (``linear``, as there); the other kinds of
numeric fields are ours. All tables have one width.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension, I inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from aisle.nn.cross import CrossNetwork, MatrixCross, MixtureCross
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.mlp import MLP, linear
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class DCNv2(nn.Module):
    """A cross network and a deep part.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, 0 or more.
        cross_layers: How many.
        rank: Of the experts; missing: cross layers have whole matrices instead.
        num_experts: Of each cross layer of low rank.
        deep_layers: Sizes of the deep part, at least one; a linear layer to the logit follows.
        structure: ``stacked``: the deep part reads the crossed inputs; ``parallel``: the inputs, beside them.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: there is no layer, or the structure is none of the two.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        cross_layers: int = 3,
        rank: int | None = None,
        num_experts: int = 4,
        deep_layers: Sequence[int] = (256, 128),
        structure: Literal["stacked", "parallel"] = "parallel",
        numeric: Numeric = "linear",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if structure not in ("stacked", "parallel") or cross_layers < 1 or not deep_layers:
            raise ValueError(
                "expected the structure stacked or parallel, a cross layer and a deep layer at least, received "
                f"{structure!r}, {cross_layers} and {list(deep_layers)}"
            )
        self.num_dense = num_dense
        self.embeddings = embeddings
        dim = embeddings.embedding_dim
        self.fields = FieldVectors(embeddings.num_features, num_dense, dim, numeric=numeric, generator=generator)
        size = self.fields.flat_size
        self.cross = CrossNetwork([_cross(size, rank, num_experts, generator=generator) for _ in range(cross_layers)])
        self.deep = MLP(size, deep_layers, last_activation=True, dropout=dropout, generator=generator)
        self._is_stacked = structure == "stacked"
        out_size = deep_layers[-1] + (0 if self._is_stacked else size)
        self.logit = linear(out_size, 1, generator=generator)

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector."""
        return embedding_dim

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B]."""
        return self.score(dense_BN, self.embeddings(sparse, rounded=True))

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        input_BI = self.fields.flat(dense_BN, self.fields(dense_BN, embedded_BFD))
        crossed_BI = self.cross(input_BI)
        out = self.deep(crossed_BI) if self._is_stacked else torch.cat([crossed_BI, self.deep(input_BI)], dim=1)
        logit_B1: Tensor = self.logit(out)
        return logit_B1.squeeze(1)


def _cross(size: int, rank: int | None, num_experts: int, *, generator: torch.Generator) -> nn.Module:
    if rank is None:
        return MatrixCross(size, generator=generator)
    return MixtureCross(size, num_experts=num_experts, rank=rank, generator=generator)
