"""Two-tower retrieval: a query tower over pools of the history, an item tower over id and content.

References: Yi et al., "Sampling-bias-corrected neural modeling for large corpus item recommendations", RecSys 2019;
Covington et al., "Deep neural networks for YouTube recommendations", RecSys 2016 (the history as pooled embeddings).

Deviations from the papers:
    - The history is pooled several times, each time with another half-life, so that the tower can tell a taste of
      years from this week's; Covington averages without weights.
    - Content enters both towers beside the ids; an item whose id is the unknown one is encoded from content alone.
    - Both towers read one table of ids: on small shops it learns twice as much of each row, and recall is higher.
    - A linear layer runs beside each tower's MLP: few passes over the data suffice.
    - Item frequencies of the logQ correction are counted, not estimated from the stream (see ``nn.softmax_losses``).

Legend of shapes: B queries, N history entries of a batch, K items, V item rows, H pools (half-lives), E id dimension,
F item facts (content vector and price), G query facts, I tower inputs, D output dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.nn.mlp import MLP, linear


class Tower(nn.Module):
    """An MLP with a linear layer beside it, ending in vectors of length 1.

    Args:
        in_size: I.
        hidden: Sizes of the hidden layers.
        out_size: D.
        generator: Draws the first weights.
    """

    def __init__(self, in_size: int, hidden: Sequence[int], out_size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.in_size = in_size
        self.mlp = MLP(in_size, [*hidden, out_size], last_activation=False, generator=generator)
        self.skip = linear(in_size, out_size, generator=generator)

    def forward(self, inputs_BI: Tensor) -> Tensor:
        """Unit vectors [B, D]."""
        return functional.normalize(self.mlp(inputs_BI) + self.skip(inputs_BI), dim=1)


class TwoTower(nn.Module):
    """Queries and items in one space.

    Args:
        facts_VF: What is known of each item beside its id; not trained.
        num_pools: H.
        num_query_facts: G.
        id_dim: E.
        dim: D.
        hidden: Sizes of the hidden layers of both towers.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        facts_VF: Tensor,
        *,
        num_pools: int,
        num_query_facts: int,
        id_dim: int = 64,
        dim: int = 64,
        hidden: Sequence[int] = (128,),
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        num_items, num_facts = facts_VF.shape
        self.num_pools = num_pools
        self.facts_VF: Tensor
        self.register_buffer("facts_VF", facts_VF, persistent=False)
        # Length about 1, as content vectors have it.
        self.ids_VE = nn.Parameter(torch.randn(num_items, id_dim, generator=generator) * id_dim**-0.5)
        in_size = id_dim + num_facts
        self.item_tower = Tower(in_size, hidden, dim, generator=generator)
        self.query_tower = Tower(num_pools * in_size + num_query_facts, hidden, dim, generator=generator)

    def item_vectors(self, rows_K: Tensor, id_rows_K: Tensor) -> Tensor:
        """Unit vectors [K, D] of items.

        Args:
            rows_K: Item rows, for their facts.
            id_rows_K: The same rows, or 1 where the id is unknown.
        """
        ids_KE = functional.embedding(id_rows_K, self.ids_VE)
        vectors_KD: Tensor = self.item_tower(torch.cat([ids_KE, self.facts_VF[rows_K]], dim=1))
        return vectors_KD

    def query_vectors(
        self, rows_N: Tensor, id_rows_N: Tensor, starts_B: Tensor, weights_HN: Tensor, query_facts_BG: Tensor
    ) -> Tensor:
        """Unit vectors [B, D] of queries.

        Args:
            rows_N: Item rows of all histories, one after the other.
            id_rows_N: The same rows, or 1 where the id is unknown.
            starts_B: Where each history starts.
            weights_HN: For each pool the weight of each entry; those of a history sum to 1.
            query_facts_BG: What is known of the query as a whole.
        """
        parts = []
        for weights_N in weights_HN:
            parts.append(_pool(self.ids_VE, id_rows_N, starts_B, weights_N))
            parts.append(_pool(self.facts_VF, rows_N, starts_B, weights_N))
        vectors_BD: Tensor = self.query_tower(torch.cat([*parts, query_facts_BG], dim=1))
        return vectors_BD


def _pool(table_VE: Tensor, rows_N: Tensor, starts_B: Tensor, weights_N: Tensor) -> Tensor:
    return functional.embedding_bag(rows_N, table_VE, starts_B, mode="sum", per_sample_weights=weights_N)
