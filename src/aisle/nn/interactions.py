"""Interactions of embedded features.

Legend of shapes: B batch, F vectors per example, D embedding dimension, P = F (F - 1) / 2 pairs, S embedded features
beside the dense arch's vector.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

from aisle.nn import dot_kernels, lanes
from aisle.nn.short_floats import KERNEL_TYPES, float_array


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


class DenseDotInteraction(nn.Module):
    """DLRM's interaction: the dense arch's vector, and behind it the product of each pair of it and the embedded ones.

    In training on a CPU kernels take the pairs out of all products, and put their gradients back.

    Args:
        num_embedded: S.
        embedding_dim: D.
    """

    def __init__(self, num_embedded: int, embedding_dim: int) -> None:
        super().__init__()
        self._dots = DotInteraction(num_embedded + 1)
        self.out_size = embedding_dim + self._dots.out_size

    def forward(self, dense_BD: Tensor, embedded_BSD: Tensor) -> Tensor:
        """The vector and the products [B, D + P], those of (1, 0), (2, 0), (2, 1), (3, 0) ..., 0 the dense one."""
        if embedded_BSD.requires_grad and embedded_BSD.device.type == "cpu" and dense_BD.dtype in KERNEL_TYPES:
            out_BI: Tensor = _DenseDots.apply(dense_BD, embedded_BSD)  # type: ignore[no-untyped-call]
            return out_BI
        products_BP = self._dots(torch.cat([dense_BD[:, None], embedded_BSD], dim=1))
        return torch.cat([dense_BD, products_BP], dim=1)


class DenseConcatInteraction(nn.Module):
    """The dense arch's vector and the embedded ones side by side, without products (the paper's ``cat``).

    Args:
        num_embedded: S.
        embedding_dim: D.
    """

    def __init__(self, num_embedded: int, embedding_dim: int) -> None:
        super().__init__()
        self.out_size = (num_embedded + 1) * embedding_dim

    def forward(self, dense_BD: Tensor, embedded_BSD: Tensor) -> Tensor:
        """The vectors [B, D + S * D]."""
        return torch.cat([dense_BD, embedded_BSD.flatten(1)], dim=1)


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


class _DenseDots(torch.autograd.Function):
    """The dot interaction on a CPU, in the type that the dense arch computes in."""

    @staticmethod
    def forward(ctx: Any, dense_BD: Tensor, embedded_BSD: Tensor) -> Tensor:
        batch, num_embedded, dim = embedded_BSD.shape
        dense_BE, embedded_BSE = (_in_whole_lanes(vectors.to(dense_BD.dtype)) for vectors in (dense_BD, embedded_BSD))
        ctx.save_for_backward(dense_BE, embedded_BSE)
        ctx.dim, ctx.embedded_type = dim, embedded_BSD.dtype
        out_BI = dense_BD.new_empty(batch, dim + num_embedded * (num_embedded + 1) // 2)
        dot_kernels.dot_pairs(float_array(dense_BE), float_array(embedded_BSE), dim, float_array(out_BI))
        return out_BI

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_BI: Tensor) -> tuple[Tensor, Tensor]:
        dense_BE, embedded_BSE = ctx.saved_tensors
        of_dense_BE, of_embedded_BSE = torch.empty_like(dense_BE), torch.empty_like(embedded_BSE)
        dot_kernels.dot_gradients(
            float_array(gradient_BI.to(dense_BE.dtype).contiguous()),
            float_array(dense_BE),
            float_array(embedded_BSE),
            ctx.dim,
            float_array(of_dense_BE),
            float_array(of_embedded_BSE),
        )
        return of_dense_BE[:, : ctx.dim], of_embedded_BSE[..., : ctx.dim].to(ctx.embedded_type)


def _in_whole_lanes(vectors: Tensor) -> Tensor:
    """Contiguous vectors, with zeros behind them where a kernel would read on."""
    padding = lanes.padded(vectors.shape[-1]) - vectors.shape[-1]
    return (functional.pad(vectors, (0, padding)) if padding else vectors).contiguous()  # to pad by nothing is to copy
