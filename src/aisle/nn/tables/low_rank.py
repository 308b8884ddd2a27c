"""Low-rank tables: rows of some width, and a linear projection to the width that models read.

References:
    - Ginart et al., "Mixed Dimension Embeddings with Application to Memory-Efficient Recommendation Systems", 2019:
      rows are narrower, the more so the larger the table.
    - Ghaemmaghami et al., "Training with Multi-Layer Embeddings for Model Reduction", 2020 (MLET): rows are wider in
      training, and both factors collapse into one full table for serving.

Deviation from the papers: the width is given with the table (``temperature`` of a recipe gives Ginart's power law); the
projection starts normal with the variance ``1 / width``, so that vectors start with a full table's variance.

Legend of shapes: B batch, G features, T tables, W width of a row, N ids of all bags, M bags, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aisle.nn.tables.contract import column_buffer
from aisle.nn.tables.full import FullTable
from aisle.pipeline.tables import FullLookup, LowRankLookup


class LowRankTables(nn.Module):
    """Tables of one width W, their rows stacked, each with a projection of its own.

    Args:
        num_embeddings: The ids of each table.
        columns: Where the G single-valued features stand among the collection's.
        table_of_G: The table of each of them.
        width: W.
        embedding_dim: D.
        generator: Draws the first weights.
    """

    column_G: Tensor
    _offset_G: Tensor
    _table_G: Tensor

    def __init__(
        self,
        num_embeddings: Sequence[int],
        columns: Sequence[int],
        table_of_G: Sequence[int],
        width: int,
        embedding_dim: int,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self._num_embeddings = list(num_embeddings)
        self._offsets = [sum(num_embeddings[:table]) for table in range(len(num_embeddings))]
        self.table = FullTable(num_embeddings, width, generator=generator)
        projection_TWD = torch.empty(len(num_embeddings), width, embedding_dim)
        self.projection = nn.Parameter(projection_TWD.normal_(0, width**-0.5, generator=generator))
        column_buffer(self, "column_G", columns)
        column_buffer(self, "_offset_G", [self._offsets[table] for table in table_of_G])
        column_buffer(self, "_table_G", table_of_G)

    def forward(self, ids_BG: Tensor) -> Tensor:
        """The vectors [B, G, D] of ids within their tables."""
        rows_BGW: Tensor = self.table(ids_BG + self._offset_G)
        projected_GBD = torch.bmm(rows_BGW.transpose(0, 1), self.projection[self._table_G])
        # Autocast may have rounded the products: vectors are of one precision and layout, of whatever kind a table is.
        return projected_GBD.transpose(0, 1).to(rows_BGW.dtype).contiguous()

    def pool(self, table: int, ids_N: Tensor, offsets_M: Tensor, pooling: str) -> Tensor:
        """One vector [M, D] per bag of one table's ids: pooled first, as the projection is linear."""
        pooled_MW = self.table.pool(ids_N + self._offsets[table], offsets_M, pooling)
        return (pooled_MW @ self.projection[table]).to(pooled_MW.dtype)

    def start_normal(self, deviation_D: Tensor, generator: torch.Generator) -> None:
        """Start anew, so that vectors have the mean 0 and these standard deviations, of which one is above 0."""
        largest, width = float(deviation_D.max()), self.projection.shape[1]
        with torch.no_grad():
            self.table.weight.normal_(0, largest, generator=generator)
            self.projection.normal_(0, width**-0.5, generator=generator).mul_(deviation_D / largest)

    def start_at_zero(self) -> None:
        """Start anew with the vectors 0: by the rows, as they learn through a projection that is not 0."""
        with torch.no_grad():
            self.table.weight.zero_()

    def parameters_of(self, table: int) -> int:
        """The numbers of rows and projection."""
        width, dim = self.projection.shape[1:]
        return width * (self._num_embeddings[table] + dim)

    def serving_half(self, table: int) -> LowRankLookup | FullLookup:
        """One table as plain arrays: both factors, or the full table that they make where that is not larger."""
        weights_RW = torch.split(self.table.weight.detach(), self._num_embeddings)[table]
        projection_WD = self.projection.detach()[table]
        return LowRankLookup(weights_RW.cpu().numpy().copy(), projection_WD.cpu().numpy().copy()).smallest()
