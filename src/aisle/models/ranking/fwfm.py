"""FwFM, the field-weighted factorization machine: each pair of fields has a weight of its own.

Reference: Pan et al., "Field-weighted Factorization Machines for Click-Through Rate Prediction in Display Advertising",
WWW 2018.

Deviations from the paper: ids' first order weights are scalars (its variant ``LW``; ``FeLV`` and ``FiLV`` replace them
by products with vectors). Numbers are fields by default (``embed``); there, they are bucketized.

Legend of shapes: B batch, N dense features, F embedded features, G fields, D embedding dimension, W = D + 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.factorization import WeightedPairs
from aisle.nn.first_order import FirstOrder, split_first_order, start_first_order
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class FwFM(nn.Module):
    """A factorization machine whose pairs of fields differ in strength; all weights start at 1, as FM.

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
        self.interaction = WeightedPairs(self.fields.num_fields)

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
        products_B: Tensor = self.interaction(self.fields(dense_BN, vectors_BFD))
        first_order_B: Tensor = self.first_order(dense_BN, weight_BF)
        return first_order_B + products_B
