"""Interactions of embedded features.

Legend of shapes: B batch, F vectors per example, D embedding dimension, P = F (F - 1) / 2 pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable


class DotInteraction(nn.Module):
    """The dot product of each pair of different vectors: the lower triangle of their Gram matrix, row by row.

    Source: Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation Systems", 2019.

    Args:
        num_vectors: F.
    """

    def __init__(self, num_vectors: int) -> None:
        super().__init__()
        self.out_size = num_vectors * (num_vectors - 1) // 2
        row_P, column_P = torch.tril_indices(num_vectors, num_vectors, offset=-1)
        pair_of = torch.full((num_vectors, num_vectors), self.out_size)  # the diagonal: a place after the last pair
        pair_of[row_P, column_P] = torch.arange(self.out_size)
        self._pair_of: Tensor
        self.register_buffer("_pair_of", torch.minimum(pair_of, pair_of.T).flatten(), persistent=False)

    def forward(self, vectors_BFD: Tensor) -> Tensor:
        """The products [B, P]."""
        if vectors_BFD.requires_grad:
            products_BP: Tensor = _LowerTriangle.apply(vectors_BFD, self._pair_of)  # type: ignore[no-untyped-call]
            return products_BP
        return _lower_triangle(vectors_BFD)


class ConcatInteraction(nn.Module):
    """The vectors side by side, without products (the paper's ``cat``).

    Args:
        num_vectors: F.
        embedding_dim: D.
    """

    def __init__(self, num_vectors: int, embedding_dim: int) -> None:
        super().__init__()
        self.out_size = num_vectors * embedding_dim

    def forward(self, vectors_BFD: Tensor) -> Tensor:
        """The vectors [B, F * D]."""
        return vectors_BFD.flatten(1)


def _lower_triangle(vectors_BFD: Tensor) -> Tensor:
    num_vectors = vectors_BFD.shape[1]
    gram_BG = torch.bmm(vectors_BFD, vectors_BFD.transpose(1, 2)).flatten(1)
    # Row by row: gathering the values one by one takes several times as long, most of all in ONNX Runtime.
    rows = [gram_BG[:, row * num_vectors : row * num_vectors + row] for row in range(1, num_vectors)]
    return torch.cat(rows, dim=1)


class _LowerTriangle(torch.autograd.Function):
    """The same with a backward pass that gathers: that of slices fills and adds a whole matrix per row."""

    @staticmethod
    def forward(ctx: FunctionCtx, vectors_BFD: Tensor, pair_of: Tensor) -> Tensor:
        ctx.save_for_backward(vectors_BFD, pair_of)
        return _lower_triangle(vectors_BFD)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient_BP: Tensor) -> tuple[Tensor, None]:
        vectors_BFD, pair_of = ctx.saved_tensors  # type: ignore[attr-defined]
        batch, num_vectors, _ = vectors_BFD.shape
        padded = torch.cat([gradient_BP, gradient_BP.new_zeros(batch, 1)], dim=1)
        # A pair's product moves both of its vectors, so the gradient is symmetric, with a zero diagonal.
        gradient_BFF = padded.index_select(1, pair_of).view(batch, num_vectors, num_vectors)
        # Under autocast the products, and so their gradient, are of a shorter type than the vectors.
        return torch.bmm(gradient_BFF, vectors_BFD.to(gradient_BFF.dtype)).to(vectors_BFD.dtype), None
