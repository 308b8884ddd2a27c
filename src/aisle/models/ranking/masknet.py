"""MaskNet: blocks that multiply hidden values by masks, which the example itself makes.

Reference: Wang et al., "MaskNet: Introducing Feature-Wise Multiplication to CTR Ranking Models by Instance-Guided
Mask", DLP-KDD 2021.

Deviations from the paper: numbers that are no fields (``linear``) enter without the fields' normalization.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension, I inputs of a mask,
X inputs and O outputs of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.mlp import MLP, linear
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class MaskNet(nn.Module):
    """Mask blocks side by side or on top of each other, and an MLP.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, 0 or more.
        blocks: Outputs of each block, at least one.
        structure: ``parallel``: each block reads the fields; ``serial``: the block before it.
        reduction: Hidden values of a mask per input.
        deep_layers: Hidden sizes of the MLP; a last layer of 1 follows.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of the MLP's hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: there is no block, or the structure is none of the two.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        blocks: Sequence[int] = (64, 64, 64),
        structure: Literal["parallel", "serial"] = "parallel",
        reduction: float = 1.0,
        deep_layers: Sequence[int] = (128,),
        numeric: Numeric = "embed",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if not blocks or structure not in ("parallel", "serial"):
            raise ValueError(
                f"expected at least one block, parallel or serial, received {list(blocks)} and {structure!r}"
            )
        self.num_dense = num_dense
        self.embeddings = embeddings
        dim = embeddings.embedding_dim
        self.fields = FieldVectors(embeddings.num_features, num_dense, dim, numeric=numeric, generator=generator)
        self.norm = FieldNorm(self.fields.num_fields, dim)
        self._is_parallel = structure == "parallel"
        size = self.fields.flat_size
        in_sizes = [size] * len(blocks) if self._is_parallel else [size, *blocks[:-1]]
        hidden_size = max(1, round(reduction * size))
        self.blocks = nn.ModuleList(
            [
                MaskBlock(size, hidden_size, in_size, out_size, generator=generator)
                for in_size, out_size in zip(in_sizes, blocks, strict=True)
            ]
        )
        out_size = sum(blocks) if self._is_parallel else blocks[-1]
        self.deep = MLP(out_size, [*deep_layers, 1], last_activation=False, dropout=dropout, generator=generator)

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
        guide_BI = self.fields.flat(dense_BN, fields_BGD)
        hidden = self.fields.flat(dense_BN, self.norm(fields_BGD))
        if self._is_parallel:
            hidden = torch.cat([block(guide_BI, hidden) for block in self.blocks], dim=1)
        else:
            for block in self.blocks:
                hidden = block(guide_BI, hidden)
        logit_B1: Tensor = self.deep(hidden)
        return logit_B1.squeeze(1)


class FieldNorm(nn.Module):
    """Layer normalization of each field's vector, with scales and shifts of its own.

    Args:
        num_fields: G.
        embedding_dim: D.
    """

    def __init__(self, num_fields: int, embedding_dim: int) -> None:
        super().__init__()
        self.scale_GD = nn.Parameter(torch.ones(num_fields, embedding_dim))
        self.shift_GD = nn.Parameter(torch.zeros(num_fields, embedding_dim))

    def forward(self, fields_BGD: Tensor) -> Tensor:
        """The fields [B, G, D]."""
        return functional.layer_norm(fields_BGD, fields_BGD.shape[2:]) * self.scale_GD + self.shift_GD


class MaskBlock(nn.Module):
    """ReLU of a normalized linear layer over inputs that an instance-guided mask multiplies.

    Args:
        guide_size: I.
        hidden_size: Hidden values of the mask.
        in_size: X.
        out_size: O.
        generator: Draws the first weights.
    """

    def __init__(
        self, guide_size: int, hidden_size: int, in_size: int, out_size: int, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.mask = MLP(guide_size, [hidden_size, in_size], last_activation=False, generator=generator)
        self.linear = linear(in_size, out_size, generator=generator)
        self.norm = nn.LayerNorm(out_size)

    def forward(self, guide_BI: Tensor, input_BX: Tensor) -> Tensor:
        """The outputs [B, O]."""
        return torch.relu(self.norm(self.linear(input_BX * self.mask(guide_BI))))
