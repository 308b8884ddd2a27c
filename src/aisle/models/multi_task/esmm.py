"""ESMM: clicks and purchases over all impressions, so that conversion is learned without looking at clicked ones alone.

Reference: Ma et al., "Entire Space Multi-Task Model: An Effective Approach for Estimating Post-Click Conversion Rate",
SIGIR 2018.

The probability of a click and a purchase is that of a click times that of a purchase after a click; the latter is never
trained by itself, and so is not biased by which impressions are clicked.

Deviations from the paper: the product is given as its log odds, computed from those of both factors without a loss of
digits. Numbers enter as they are (``linear``); there, all features are ids.

Legend of shapes: B batch, N dense features, F embedded features, D embedding dimension, I inputs, K = 2 tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.models.multi_task.towers import TaskTowers
from aisle.nn.embeddings import EmbeddingBagCollection
from aisle.nn.numeric_embeddings import FieldVectors, Numeric
from aisle.nn.sparse import SparseFeatures


class ESMM(nn.Module):
    """Two towers over shared embeddings: of a click, and of a purchase after a click.

    Args:
        embeddings: The sparse arch, of width D.
        num_dense: N, 0 or more.
        tasks: Names of the two labels: the click, and the purchase (after a click, among all impressions).
        tower_layers: Hidden sizes of both towers; a last layer of 1 follows.
        numeric: What a number becomes, see :class:`~aisle.nn.numeric_embeddings.FieldVectors`.
        dropout: The share of hidden values that training drops.
        generator: Draws the first weights.

    Raises:
        ValueError: there are not two tasks.
    """

    def __init__(
        self,
        embeddings: EmbeddingBagCollection,
        *,
        num_dense: int,
        tasks: Sequence[str] = ("click", "purchase"),
        tower_layers: Sequence[int] = (256, 128),
        numeric: Numeric = "linear",
        dropout: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_dense = num_dense
        self.embeddings = embeddings
        self.tasks = tuple(tasks)
        dim = embeddings.embedding_dim
        self.fields = FieldVectors(embeddings.num_features, num_dense, dim, numeric=numeric, generator=generator)
        size = self.fields.flat_size
        if len(self.tasks) != 2:
            raise ValueError(f"tasks: expected the names of a click and a purchase, received {list(tasks)}")
        self.towers = TaskTowers(self.tasks, size, tower_layers, dropout=dropout, generator=generator)

    @staticmethod
    def table_width(embedding_dim: int) -> int:
        """Numbers of a looked up vector."""
        return embedding_dim

    def forward(self, dense_BN: Tensor, sparse: SparseFeatures) -> Tensor:
        """The logits [B, K]."""
        return self.score(dense_BN, self.embeddings(sparse))

    def score(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B, K] of dense features and vectors that were looked up: of a click, and of a purchase."""
        click_B, conversion_B = self._factors(dense_BN, embedded_BFD)
        return torch.stack([click_B, _log_odds_of_both(click_B, conversion_B)], dim=1)

    def score_conversion(self, dense_BN: Tensor, embedded_BFD: Tensor) -> Tensor:
        """The logits [B] of a purchase where there was a click."""
        return self._factors(dense_BN, embedded_BFD)[1]

    def _factors(self, dense_BN: Tensor, embedded_BFD: Tensor) -> tuple[Tensor, Tensor]:
        input_BI = self.fields.flat(dense_BN, self.fields(dense_BN, embedded_BFD))
        logits_BK: Tensor = self.towers([input_BI, input_BI])
        click_B, conversion_B = logits_BK.float().unbind(1)
        return click_B, conversion_B


def _log_odds_of_both(first_B: Tensor, second_B: Tensor) -> Tensor:
    """``logit(sigmoid(first) * sigmoid(second))``, exact also where a probability is nearly 0 or 1."""
    log_both_B = functional.logsigmoid(first_B) + functional.logsigmoid(second_B)
    # Not both: not the first, or the first and not the second.
    not_both = [functional.logsigmoid(-first_B), functional.logsigmoid(first_B) + functional.logsigmoid(-second_B)]
    return log_both_B - torch.logsumexp(torch.stack(not_both), dim=0)
