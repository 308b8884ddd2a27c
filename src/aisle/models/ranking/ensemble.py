"""An ensemble of rankers: the mean of their logits, one graph and one set of tables in serving.

Reference: Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", 2017.

Deviation from the paper: logits are averaged, not probabilities, as a calibrator follows that works on logits.

Legend of shapes: B batch, N dense features, F embedded features, W the sum of the members' embedding dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.models.protocols import Ranker
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.sparse import SparseFeatures


class RankerEnsemble(nn.Module):
    """Rankers over the same features, trained apart.

    Args:
        members: At least one; each is a torch module.

    Raises:
        ValueError: there is none, or they take other features than the first.
    """

    def __init__(self, members: Sequence[Ranker]) -> None:
        super().__init__()
        if not members or len({member.num_dense for member in members}) > 1:
            raise ValueError(
                f"expected rankers over the same features, received {[member.num_dense for member in members]}"
            )
        self.num_dense = members[0].num_dense
        self._rankers = tuple(members)
        self.members = nn.ModuleList([member for member in members if isinstance(member, nn.Module)])
        self.embeddings = EmbeddingBagCollection.side_by_side([member.embeddings for member in members])
        self._widths = [member.embeddings.embedding_dim for member in members]

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B]."""
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BFW: Tensor) -> Tensor:
        """The logits [B] of dense features and vectors that were looked up, the members' side by side."""
        parts = torch.split(embedded_BFW, self._widths, dim=2)
        logits = [member.score(dense_BN, part) for member, part in zip(self._rankers, parts, strict=True)]
        return torch.stack(logits).mean(dim=0)
