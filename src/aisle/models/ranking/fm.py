"""FM, the factorization machine: first order terms, and the dot products of all pairs of fields.

Reference: Rendle, "Factorization Machines", ICDM 2010.

The pairs' sum is computed in O(fields x dimension), by the paper's lemma 3.1.

Deviations from the paper: none with ``numeric: embed``, where a number's value multiplies its vector, as there; the
other kinds of numeric fields are ours. The penalty of the weights is the optimizer's business.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension, W = D + 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.factorization import BiInteraction
from aisle.nn.first_order import FirstOrder, split_first_order, start_first_order
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class FM(nn.Module):
    """A factorization machine of second order.

    Args:
        embeddings: Tables of width D + 1: an id's vector and its own weight.
        num_dense: N, 0 or more.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        numeric: Numeric = "embed",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_dense = num_dense
        self.embeddings = embeddings
        dim = start_first_order(embeddings, generator=generator)
        self.fields = FieldVectors(embeddings.num_features, num_dense, dim, numeric=numeric, generator=generator)
        self.first_order = FirstOrder(num_dense, numeric=numeric)
        self.interaction = BiInteraction()

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector: an id's own weight comes last."""
        return embedding_dim + 1

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B]."""
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BFW: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up."""
        vectors_BFD, weight_BF = split_first_order(embedded_BFW)
        pooled_BD: Tensor = self.interaction(self.fields(dense_BN, vectors_BFD))
        first_order_B: Tensor = self.first_order(dense_BN, weight_BF)
        return first_order_B + pooled_BD.sum(dim=1)
