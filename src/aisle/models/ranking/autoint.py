"""AutoInt: self-attention between fields finds which of them interact.

Reference: Song et al., "AutoInt: Automatic Feature Interaction Learning via Self-Attentive Neural Networks", CIKM 2019.

Deviations from the paper: none with ``numeric: embed``, its numeric fields; ``deep_layers`` make its AutoInt+, off by
default.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.attention import FieldSelfAttention
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.mlp import MLP, linear
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class AutoInt(nn.Module):
    """Layers of self-attention, and a linear layer over all fields.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, 0 or more.
        attention_layers: How many, at least 1.
        num_heads: Of each layer.
        head_size: Values of a head.
        deep_layers: Hidden sizes of an MLP beside the attention; without any there is none.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: there is no attention layer.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        attention_layers: int = 3,
        num_heads: int = 2,
        head_size: int = 16,
        deep_layers: Sequence[int] = (),
        numeric: Numeric = "embed",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if attention_layers < 1:
            raise ValueError(f"expected at least one attention layer, received {attention_layers}")
        self.num_dense = num_dense
        self.embeddings = embeddings
        dim = embeddings.embedding_dim
        self.fields = FieldVectors(embeddings.num_features, num_dense, dim, numeric=numeric, generator=generator)
        out_size = num_heads * head_size
        self.attention = nn.Sequential(
            *(
                FieldSelfAttention(size, num_heads=num_heads, head_size=head_size, generator=generator)
                for size in [dim, *[out_size] * (attention_layers - 1)]
            )
        )
        raw_size = self.fields.flat_size - self.fields.num_fields * dim
        self.logit = linear(self.fields.num_fields * out_size + raw_size, 1, generator=generator)
        self.deep: MLP | None = None
        if deep_layers:
            sizes = [*deep_layers, 1]
            self.deep = MLP(self.fields.flat_size, sizes, last_activation=False, dropout=dropout, generator=generator)

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector."""
        return embedding_dim

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B]."""
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        fields_BGD = self.fields(dense_BN, embedded_BFD)
        logit_B1: Tensor = self.logit(self.fields.flat(dense_BN, self.attention(fields_BGD)))
        if self.deep is not None:
            logit_B1 = logit_B1 + self.deep(self.fields.flat(dense_BN, fields_BGD))
        return logit_B1.squeeze(1)
