"""LightGCN: vectors of users and items, averaged over several steps to their neighbours.

Reference: He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation", SIGIR 2020.

The mean over layers of the normalized adjacency's powers is a symmetric matrix M, and the vectors are M times the
table. So the gradient of the table is M times the gradient of the vectors: the way back is the way there.

Deviations from the paper: under autocast the steps to neighbours read and make bfloat16 values; scores may be cosines,
as Wu et al., "On the effectiveness of sampled softmax loss for item recommendation", TOIS 2024, has them; what serves
may add a share of the log of how many took an item; first values may be the graph's spectrum.

Legend of shapes: U users, V items, N nodes (users, then items), L directed edges, D dimension, B positives, C items of
an example.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.data.item_lists import ItemLists
from aisle.models.collaborative.vector_pairs import pair_scores
from aisle.nn.graph_kernel import add_neighbours
from aisle.nn.short_floats import float_array
from aisle.retrieval.collaborative import UserFactors
from aisle.retrieval.collaborative.spectrum import graph_directions
from aisle.retrieval.networks import GraphFactors


class LightGCN(nn.Module):
    """Users and items as nodes of one graph.

    Args:
        lists: What each user took: the edges.
        num_items: V.
        dimension: D.
        num_layers: Steps to neighbours; 0 is matrix factorization.
        first_scale: Root of the mean square of the first values.
        spectrum: First values are the strongest directions of the graph; missing: random.
        normalize: Vectors have the length 1, so that scores are cosines.
        popularity: Times the log of how many took an item, it is added to what serves; training does without.
        generator: Draws them.
    """

    def __init__(
        self,
        lists: ItemLists,
        num_items: int,
        *,
        dimension: int = 64,
        num_layers: int = 3,
        first_scale: float = 0.1,
        spectrum: bool = False,
        normalize: bool = False,
        popularity: float = 0.0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_users, self.num_layers, self.normalize = len(lists), num_layers, normalize
        taken = lists.counts(num_items)
        table_ND = torch.randn(len(lists) + num_items, dimension, generator=generator)
        if spectrum:
            seed = int(torch.randint(1 << 31, (), generator=generator))
            spectrum_NK = torch.from_numpy(graph_directions(taken, dimension, seed=seed))
            table_ND[:, : spectrum_NK.shape[1]] = spectrum_NK
        self.table_ND = nn.Parameter(table_ND * first_scale)
        counts_V = np.bincount(taken.indices, minlength=num_items)
        self._bias_V = (popularity * np.log(np.maximum(counts_V, 1))).astype(np.float32)
        items_of_users, users_of_items = taken, taken.T.tocsr()
        neighbours_L = np.concatenate([items_of_users.indices + len(lists), users_of_items.indices])
        starts_N1 = np.concatenate([items_of_users.indptr, users_of_items.indptr[1:] + taken.nnz])
        degrees_N = np.maximum(np.diff(starts_N1), 1)
        self.neighbours_L: Tensor
        self.starts_N1: Tensor
        self.scale_N1: Tensor
        self.register_buffer("neighbours_L", torch.from_numpy(neighbours_L.astype(np.int32)), persistent=False)
        self.register_buffer("starts_N1", torch.from_numpy(starts_N1.astype(np.int32)), persistent=False)
        scale_N1 = torch.from_numpy(degrees_N.astype(np.float32) ** -0.5)[:, None]
        self.register_buffer("scale_N1", scale_N1, persistent=False)

    def forward(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """The scores [B, C] of each user's items."""
        return pair_scores(*self.vectors(), users_B, items_BC)

    def vectors(self) -> tuple[Tensor, Tensor]:
        """The vectors of all users [U, D] and items [V, D]."""
        vectors_ND: Tensor = self.table_ND
        if self.num_layers:
            vectors_ND = _Propagation.apply(self.table_ND, self)  # type: ignore[no-untyped-call]
        if self.normalize:
            vectors_ND = functional.normalize(vectors_ND)
        return vectors_ND[: self.num_users], vectors_ND[self.num_users :]

    def recommender(self) -> UserFactors:
        """What serves it."""
        users_UD, items_VD = self.vectors()
        return UserFactors(users_UD.detach().numpy(), items_VD.detach().numpy(), self._bias_V)

    def folding_recommender(self) -> GraphFactors:
        """What serves it where histories grow: the same on those of the training lists.

        A user's vector is the user's row of the table and, of each item taken, all layers but the last, scaled by the
        roots of both degrees; all of it over the number of layers, the first one counted.
        """
        averaged = self.num_layers + 1
        own_UD = self.table_ND[: self.num_users] / averaged
        shares_ND = torch.zeros_like(self.table_ND)
        if self.num_layers:
            shares_ND = self.propagate(self.table_ND, self.num_layers - 1) * self.num_layers * self.scale_N1 / averaged
        arrays = [own_UD, shares_ND[self.num_users :], self.vectors()[1]]
        own, shares, items = (array.detach().numpy().copy() for array in arrays)
        return GraphFactors(own, shares, items, self._bias_V, normalize=self.normalize)

    def penalty(self, users_B: Tensor, items_BC: Tensor) -> Tensor:
        """The squared length of the table's rows that the examples name, as often as they do: a mean over examples."""
        counts_N = torch.bincount(
            torch.cat([users_B, items_BC.flatten() + self.num_users]), minlength=len(self.table_ND)
        )
        return (self.table_ND.square().sum(dim=1) * counts_N).sum() / len(users_B)

    def propagate(self, table_ND: Tensor, num_layers: int | None = None) -> Tensor:
        """The mean over layers, M times the table: [N, D]; over all of them, or the first so many steps."""
        num_layers = self.num_layers if num_layers is None else num_layers
        low = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else table_ND.dtype
        # A layer is S A S times the one before, with S the scales: all but the outer ones are put together.
        inner_N = self.scale_N1.square()[:, 0].numpy()
        layer_ND, total_ND = torch.empty_like(table_ND, dtype=low), torch.zeros_like(table_ND)
        torch.mul(table_ND.detach(), self.scale_N1, out=layer_ND)
        next_ND = torch.empty_like(layer_ND)
        edges = self.neighbours_L.numpy(), self.starts_N1.numpy()
        for _ in range(num_layers):
            add_neighbours(*edges, float_array(layer_ND), inner_N, total_ND.numpy(), float_array(next_ND))
            layer_ND, next_ND = next_ND, layer_ND
        return torch.addcmul(table_ND.detach(), total_ND, self.scale_N1).div_(num_layers + 1)


class _Propagation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table_ND: Tensor, network: LightGCN) -> Tensor:
        ctx.network = network
        return network.propagate(table_ND)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.network.propagate(gradients[0].contiguous()), None
