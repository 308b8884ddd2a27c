"""DLRM over fields: vectors of related features are summed before they meet those of other fields.

Reference: Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation Systems", 2019.

A ranker of a shop sees dozens of numeric features, each bucketized and embedded. With one vector per feature, DLRM's
interaction has thousands of products, most of them of features that say nearly the same.

Deviations from the paper:
    - A field's vector is the sum of the vectors of its ids, of its dense features' vectors times their values (as
      numeric fields in Rendle, "Factorization Machines", 2010), and of a bias; the fields interact.
    - The last number of each looked up vector is the id's own weight in the logit, and a linear layer adds the dense
      features' (the first order terms of a factorization machine, the wide part of Wide & Deep).
    - The dense features also enter the over arch as they are.
    - ``dropout`` in both MLPs.

Legend of shapes: B batch, N dense features, S embedded features, W looked up width, D = W - 1 interacting dimensions,
G fields, I what the over arch sees of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.interactions import DenseDotInteraction
from aisle.nn.mlp import MLP, linear
from aisle.nn.sparse import SparseFeatures

#: Standard deviation of the first vectors.
_DEVIATION = 0.05


class FieldDLRM(nn.Module):
    """A deep ranker over fields of dense and embedded features.

    Args:
        embeddings: The sparse arch; its vectors have W numbers, at least 2.
        dense_fields: The field, from 0, of each of the N dense features.
        sparse_fields: The field of each of the S embedded features.
        dense_layers: Hidden sizes of the dense arch; a last layer of D follows.
        over_layers: Hidden sizes of the over arch; a last layer of 1 follows.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: a number of fields is not that of its features, or the vectors are too narrow.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        dense_fields: Sequence[int],
        sparse_fields: Sequence[int],
        dense_layers: Sequence[int] = (64,),
        over_layers: Sequence[int] = (128, 64),
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if len(sparse_fields) != embeddings.num_features or embeddings.embedding_dim < 2 or not dense_fields:
            raise ValueError(
                f"expected a field for each of {embeddings.num_features} embedded features, vectors of 2 numbers or "
                f"more and at least one dense feature, received {len(sparse_fields)} fields, "
                f"{embeddings.embedding_dim} numbers and {len(dense_fields)} dense features"
            )
        self.num_dense = len(dense_fields)
        self.embeddings = embeddings
        dim = embeddings.embedding_dim - 1
        # Sums of many: small at first, and no id weighs anything by itself.
        embeddings.start_normal(_DEVIATION, num_zero=1, generator=generator)
        num_fields = max(*dense_fields, *sparse_fields) + 1
        self._field_of: Tensor
        self._dense_mask: Tensor
        self.register_buffer("_field_of", _membership(sparse_fields, num_fields).T.contiguous(), persistent=False)
        mask_NG = _membership(dense_fields, num_fields)
        self.register_buffer("_dense_mask", mask_NG.repeat_interleave(dim, dim=1), persistent=False)
        self.numeric_ND = nn.Parameter(torch.empty(self.num_dense, dim).normal_(0.0, _DEVIATION, generator=generator))
        self.bias_GD = nn.Parameter(torch.zeros(num_fields, dim))
        self.dense_arch = MLP(
            self.num_dense, [*dense_layers, dim], last_activation=True, dropout=dropout, generator=generator
        )
        self.interaction = DenseDotInteraction(num_fields, dim)
        in_size = self.interaction.out_size + self.num_dense
        self.over_arch = MLP(in_size, [*over_layers, 1], last_activation=False, dropout=dropout, generator=generator)
        self.first_order = linear(self.num_dense, 1, generator=generator)

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B]."""
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BSW: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        dense_BD = self.dense_arch(dense_BN)
        fields_BGW = torch.matmul(self._field_of, embedded_BSW)
        num_fields, dim = self.bias_GD.shape
        numeric_NGD = self.numeric_ND.repeat(1, num_fields) * self._dense_mask
        numeric_BGD = (dense_BN @ numeric_NGD).view(-1, num_fields, dim)
        fields_BGD = fields_BGW[:, :, :dim] + numeric_BGD + self.bias_GD
        interacted_BI = self.interaction(dense_BD, fields_BGD)
        logits_B1: Tensor = self.over_arch(torch.cat([interacted_BI, dense_BN], dim=1))
        first_order_B: Tensor = self.first_order(dense_BN).squeeze(1) + fields_BGW[:, :, dim].sum(dim=1)
        return logits_B1.squeeze(1) + first_order_B


def _membership(fields: Sequence[int], num_fields: int) -> Tensor:
    """1 where a feature [rows] is of a field [columns]."""
    members = torch.zeros(len(fields), num_fields)
    members[torch.arange(len(fields)), torch.tensor(fields)] = 1
    return members
